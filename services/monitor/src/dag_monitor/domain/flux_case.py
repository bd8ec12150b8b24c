"""One deployment before the judge: what was observed, held against what is expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dag_common.contracts.events import Evidence
from dag_monitor.domain.clocks import CLOCKS_DIFFER
from dag_monitor.domain.conditions import Conditions
from dag_monitor.domain.expectation import Expectation, Relation
from dag_monitor.domain.flux_observation import Observation, Release, Snapshot
from dag_monitor.domain.flux_versions import same_version, stamped_commit
from dag_monitor.domain.places import same_address


@dataclass(frozen=True, slots=True)
class Case:
    """The answers that verdicts are made of. `metadata.generation` is none of them: a new chart does not change it."""

    expected: Expectation
    seen: Observation
    release: Release

    @property
    def ours(self) -> bool:
        """Whether what Flux last attempted is our chart: only then its conditions speak of our deployment."""
        return not self.behind and self.is_ours(self.release.attempted)

    @property
    def applied(self) -> bool:
        """Whether the newest Helm release is our chart, deployed. After a rollback it is another chart's."""
        latest = self.release.latest
        named = latest.chart_name in ("", self.expected.chart_name)
        return latest.status == "deployed" and named and self.is_ours(latest.chart_version) and not self.stale(latest)

    @property
    def settled(self) -> bool:
        """Whether the controller has finished with the object as it is."""
        conditions = self.release.conditions
        return self.release.observed and not conditions["Reconciling"].true and not conditions["Stalled"].true

    @property
    def behind(self) -> bool:
        """Whether the chart is built without our commit; one from before it is ours if we changed nothing."""
        return self.source is Relation.REMOVED or (self.source is Relation.ANCESTOR and not self.expected.unchanged)

    @property
    def source(self) -> Relation:
        """How the commit that the chart was last built from stands to ours."""
        return self.expected.relation(self.seen.chart.commit) if self.seen.chart else Relation.UNKNOWN

    @property
    def chart_conditions(self) -> Conditions:
        """The HelmChart's conditions; none if there is no HelmChart."""
        return self.seen.chart.conditions if self.seen.chart else Conditions({})

    @property
    def built(self) -> bool:
        """Whether source-controller built our chart."""
        return self.seen.chart is not None and not self.behind and self.is_ours(self.seen.chart.version)

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on."""
        ready, latest = self.release.conditions["Ready"], self.release.latest
        return Evidence(
            object=str(self.release.ref), revision=latest.chart_version or self.release.attempted, reason=ready.reason
        )

    def is_ours(self, version: str) -> bool:
        """Whether a version that Flux wrote is our chart version, and not built from a commit without our chart."""
        if not same_version(version, self.expected.chart_version, self.release.stamping):
            return False
        commit = stamped_commit(version, self.release.stamping)
        return not commit or self._may_hold_ours(self.expected.relation(commit))

    def stale(self, snapshot: Snapshot) -> bool:
        """Whether a release was made before our content existed: then it only shares the version with ours."""
        return self.predates(snapshot.deployed_at)

    def predates(self, moment: datetime | None) -> bool:
        """Whether a moment on the cluster's clock is surely before our content came to the branch."""
        since = self.expected.content_since
        return moment is not None and since is not None and moment < since - CLOCKS_DIFFER

    def follows_push(self, moment: datetime | None) -> bool:
        """Whether a moment on the cluster's clock is surely after our push."""
        return moment is not None and moment > self.expected.pushed_at + CLOCKS_DIFFER

    @property
    def rebuilt(self) -> bool | None:
        """Whether the chart was built after our content came to the branch, so that it holds it; None if none can say.

        The log's clock and the cluster's may differ. Surely too early is what was built before Flux stored our commit,
        by the one clock of source-controller; what was built later may be a build of the commit before that took long.
        """
        built_at, since = self.seen.chart.built_at if self.seen.chart else None, self.expected.content_since
        if built_at is None or since is None or abs(built_at - since) > CLOCKS_DIFFER:
            return built_at is not None and since is not None and built_at > since
        return False if self._older_than_our_commit(built_at) else None

    def _older_than_our_commit(self, built_at: datetime) -> bool:
        repository = self.seen.repository
        if repository is None or repository.stored_at is None or not self.at_rest:
            return False
        at_ours = self.source is Relation.OURS and self.expected.relation(repository.commit) is Relation.OURS
        return at_ours and built_at < repository.stored_at

    @property
    def doubtful(self) -> bool:
        """Whether the chart may hold the content that had our version right before ours as well as ours."""
        told = self.release.stamping.revision or self.rebuilt is not None
        return self.ours and self.expected.reused and not told

    @property
    def ignored(self) -> bool:
        """Whether Flux looked at our commit and kept a chart of our version that was surely built before it."""
        chart = self.seen.chart
        if chart is None or self.source not in (Relation.OURS, Relation.DESCENDANT):
            return False
        return self.at_rest and self.is_ours(chart.version) and self.predates(chart.built_at)

    @property
    def at_rest(self) -> bool:
        """Whether source-controller is done with the commit it last looked at.

        It writes the conditions before the artifact, so Ready has to speak of the version the artifact has
        (fluxcd/source-controller internal/helm/chart/builder.go, Build.Summary).
        """
        ready, chart = self.chart_conditions["Ready"], self.seen.chart
        resting = ready.true and not self.chart_conditions["Reconciling"].true
        return resting and chart is not None and f"'{chart.version}'" in ready.message

    @property
    def disguised(self) -> bool:
        """Whether what a stranger put in the place of our chart goes by our version."""
        chart = self.seen.chart
        strange = self.source is Relation.REPLACED and not self.expected.later
        return chart is not None and strange and self.is_ours(chart.version)

    @property
    def undecided(self) -> bool:
        """Whether the chart was built from a commit of which nobody knows yet how it stands to ours."""
        known = self.seen.chart is None or not self.seen.chart.commit or self.source is not Relation.UNKNOWN
        return not known and not self.elsewhere

    @property
    def follows_us(self) -> bool | None:
        """Whether the GitRepository follows our repository and branch; None if that cannot be told."""
        repository = self.seen.repository
        if repository is None or not repository.url:
            return None
        return same_address(repository.url, self.expected.url) and repository.branch == self.expected.branch

    @property
    def elsewhere(self) -> bool:
        """Whether the chart comes from another place than ours, for all we know: equal versions prove nothing then."""
        return self.follows_us is False and self.source is Relation.UNKNOWN

    def _may_hold_ours(self, relation: Relation) -> bool:
        if relation is Relation.ANCESTOR:
            return self.expected.unchanged
        return relation in (Relation.OURS, Relation.DESCENDANT)
