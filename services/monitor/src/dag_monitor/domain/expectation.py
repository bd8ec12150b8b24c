"""What has to be proven of a target, and everything the log knows that helps to prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from dag_common.contracts.events import ChartPushed, RolloutTarget
from dag_common.domain.deployment import Carried, Deployment
from dag_common.errors import Invalid

Object = Mapping[str, Any]
"""A Kubernetes object as plain JSON; judges only read it, and take nothing in it for granted."""

_SHORTEST_COMMIT: Final = 7


class Relation(StrEnum):
    """How an observed commit of the IaC branch stands to ours."""

    OURS = "ours"
    DESCENDANT = "descendant"  # contains ours, or was rewritten from it: our chart directory is in place
    REPLACED = "replaced"  # contains ours, but the chart directory holds another chart
    ANCESTOR = "ancestor"  # from before ours, and ours is on the branch
    REMOVED = "removed"  # without ours, and the branch has lost ours
    UNKNOWN = "unknown"

    @property
    def contains_ours(self) -> bool:
        """Whether our commit is part of what was observed."""
        return self in (Relation.OURS, Relation.DESCENDANT, Relation.REPLACED)


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one object of the target's cluster; `namespace` is empty for cluster-wide kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


Objects = Mapping[Ref, Object]
"""The cluster as last seen: what is not in it does not exist, or may not be seen."""


@dataclass(frozen=True, slots=True)
class Later:
    """A deployment to the same environment that was pushed after ours."""

    deployment_id: str
    chart_version: str
    commit: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another content that lay at our path before ours, by what labels say of it; empty: not known, or not said."""

    chart_version: str
    app_version: str


@dataclass(frozen=True, slots=True)
class Introduced:
    """When exactly this chart content (git tree) first came to this path: that `chart.pushed` and its time."""

    at: datetime
    pushed: ChartPushed


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the log, or a mirror, tells beyond the deployment itself. More knowledge only makes verdicts earlier.

    `relations` maps commit ids, `doubts` those that are not related yet to the reason in words; `introduced` is None
    if this content was not seen before this deployment. `earlier` is the one thing that makes verdicts later: the
    pushes of other content that the target may still run, the newest first.
    """

    relations: Mapping[str, Relation] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    later: tuple[Later, ...] = ()
    introduced: Introduced | None = None
    earlier: tuple[Earlier, ...] = ()


NOTHING_MORE: Final = Knowledge()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Our chart in one target: `chart_name` in exactly `chart_version`, as committed to `branch`:`path` of `url`.

    `pushed_at` is when the log recorded the push. `content_since` is when this very content first came to
    the path (earlier than `pushed_at` after a return to an older chart), None if that is not known.
    `reused` says that another content carried the same version right before ours; `earlier` are all contents before
    ours that the target may still run, the newest first. `app_version` is the chart's `appVersion`: the deployment's
    version as it was given. `carried` is what the log says of the target's workload.
    """

    target: RolloutTarget
    chart_name: str
    chart_version: str
    previous_chart_version: str
    url: str
    branch: str
    path: str
    commit: str
    unchanged: bool
    pushed_at: datetime
    content_since: datetime | None = None
    reused: bool = False
    relations: Mapping[str, Relation] = field(default_factory=lambda: MappingProxyType({}))
    doubts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    later: tuple[Later, ...] = ()
    app_version: str = ""
    earlier: tuple[Earlier, ...] = ()
    carried: tuple[Carried, ...] = ()

    def relation(self, commit: str) -> Relation:
        """How a commit, also an abbreviated one, stands to ours."""
        if len(commit) < _SHORTEST_COMMIT:
            return Relation.UNKNOWN
        if self.commit.startswith(commit):
            return Relation.OURS
        if commit not in self.relations and any(later.commit.startswith(commit) for later in self.later):
            return Relation.REPLACED
        return related(commit, self.relations)

    def doubt(self, commit: str) -> str:
        """Why it is not known how a commit stands to ours."""
        return self.doubts.get(commit) or f"it is not known how it stands to commit {self.commit[:_SHORTEST_COMMIT]}"


def related(commit: str, relations: Mapping[str, Relation]) -> Relation:
    """What is known of a commit, also of an abbreviated one."""
    if commit in relations:
        return relations[commit]
    return next((relation for sha, relation in relations.items() if sha.startswith(commit)), Relation.UNKNOWN)


def expect(deployment: Deployment, target: RolloutTarget, knowledge: Knowledge = NOTHING_MORE) -> Expectation:
    """What `target` has to show for this deployment. Raises `Invalid` if the chart was not pushed yet."""
    requested, pushed, pushed_at = deployment.requested, deployment.pushed, deployment.pushed_at
    if requested is None or pushed is None or pushed_at is None:
        raise Invalid(f"deployment {deployment.id} was not pushed: there is nothing to expect of {target.id}")
    return Expectation(
        target=target,
        chart_name=requested.chart.name,
        chart_version=pushed.chart_version,
        previous_chart_version=pushed.previous_chart_version,
        url=requested.iac.url,
        branch=pushed.branch,
        path=pushed.path,
        commit=pushed.commit,
        unchanged=pushed.unchanged,
        pushed_at=pushed_at,
        content_since=_content_since(pushed, pushed_at, knowledge),
        reused=_reused(pushed, knowledge),
        relations=before(deployment, pushed) | dict(knowledge.relations),
        doubts=knowledge.doubts,
        later=knowledge.later,
        app_version=requested.version,
        earlier=_earlier(pushed, knowledge),
        carried=deployment.carried.get(target.id, ()),
    )


def before(deployment: Deployment, pushed: ChartPushed) -> dict[str, Relation]:
    """The tips that the push was tried on came before it; a push that changed nothing may name its own commit."""
    return {base: Relation.ANCESTOR for base in deployment.bases if base not in ("", pushed.commit)}


def _content_since(pushed: ChartPushed, pushed_at: datetime, knowledge: Knowledge) -> datetime | None:
    if knowledge.introduced is not None:
        return min(knowledge.introduced.at, pushed_at)
    return None if pushed.unchanged else pushed_at


def _reused(pushed: ChartPushed, knowledge: Knowledge) -> bool:
    first = _bringing(pushed, knowledge)
    return first is not None and first.previous_chart_version == first.chart_version


def _earlier(pushed: ChartPushed, knowledge: Knowledge) -> tuple[Earlier, ...]:
    """What git had right before, whoever brought it, and what the log knows."""
    first = _bringing(pushed, knowledge)
    before = (Earlier(one.previous_chart_version, one.previous_app_version) for one in (first,) if one is not None)
    return tuple(dict.fromkeys((*(one for one in before if one.chart_version), *knowledge.earlier)))


def _bringing(pushed: ChartPushed, knowledge: Knowledge) -> ChartPushed | None:
    """The push that brought this content: one that changed nothing inherits what came of the one before it."""
    if not pushed.unchanged:
        return pushed
    first = knowledge.introduced.pushed if knowledge.introduced else None
    return None if first is None or first.unchanged else first
