"""The facts of a deployment. Each type is written by one service only; `WRITERS` is that table.

A stored event is never changed. A field added later has a default; anything else is a new schema
number with an upcast in `dag_common.contracts.upcasts`.
"""

from __future__ import annotations

from typing import Final, NewType

import msgspec

DeploymentId = NewType("DeploymentId", str)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A past fact. Unknown fields are ignored on reading, so newer writers do not break older readers."""


class Job(Fact, frozen=True, kw_only=True):
    """The CI job that asked: its id at the provider and the page a person opens."""

    id: str
    url: str


class Requester(Fact, frozen=True, kw_only=True):
    """Who asked, as the provider proved it."""

    provider: str
    user: str


class ChartRef(Fact, frozen=True, kw_only=True):
    """The chart as it was sent: `sha256` (hex) finds it in the chart store, `size` is in bytes, compressed."""

    sha256: str
    size: int
    name: str
    version: str


class IacTarget(Fact, frozen=True, kw_only=True):
    """Where the chart goes: the registry's name of the repository, its URL without userinfo, branch and directory."""

    repository: str
    url: str
    branch: str
    path: str


class RolloutTarget(Fact, frozen=True, kw_only=True):
    """One thing to watch in one cluster. `timeout_seconds` counts from `chart.pushed`.

    `fail_after` is how many failed attempts of our chart make a verdict (1: fail fast); 0 waits for the timeout.
    """

    kind: str
    cluster: str
    namespace: str
    name: str
    timeout_seconds: int
    fail_after: int = 1

    @property
    def id(self) -> str:
        """Names the target within its deployment: `<cluster>/<kind>/<namespace>/<name>`."""
        return f"{self.cluster}/{self.kind}/{self.namespace}/{self.name}"


class Evidence(Fact, frozen=True, kw_only=True):
    """What the verdict rests on: the object looked at and what it said."""

    object: str
    revision: str = ""
    reason: str = ""


class DeploymentRequested(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A proven CI job handed over a chart that passed every check.

    `supersede`: what waits for the same environment and whose push has not begun gives way to this deployment.
    `unique_version`: the chart's version is to be this deployment's own, also if its version was deployed before.
    Fields added later have defaults and are left out where they have them, so the text of a fact stays what it was.
    """

    app: str
    repo_url: str
    environment: str
    branch: str
    commit: str
    version: str
    job: Job
    requested_by: Requester
    chart: ChartRef
    iac: IacTarget
    targets: tuple[RolloutTarget, ...]
    registry_digest: str
    supersede: bool = False
    unique_version: bool = False


class CancellationRequested(Fact, frozen=True, kw_only=True):
    """Somebody who may, wants the deployment ended (`by`: who). It ends unless its push turns out to have arrived."""

    by: str


class ValidationStarted(Fact, frozen=True, kw_only=True):
    """The pusher took the deployment from its list and checks what it is about to commit."""


class PushStarted(Fact, frozen=True, kw_only=True):
    """The pusher builds on `base`, the tip of the IaC branch (empty: the branch does not exist yet)."""

    attempt: int
    base: str


class ChartPushed(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The branch of the IaC repository (its registry name) holds the chart at `commit`. `unchanged`: it already did.

    `tree` is the git tree id of the chart directory; `previous_chart_version` is empty for a path used first.
    `previous_app_version` is what the chart before said, if anything: older pushers left it out.
    """

    commit: str
    commit_url: str
    repository: str
    branch: str
    path: str
    tree: str
    chart_version: str
    previous_chart_version: str
    unchanged: bool
    previous_app_version: str = ""


class MonitoringStarted(Fact, frozen=True, kw_only=True):
    """A monitor watches these targets (their ids)."""

    targets: tuple[str, ...]


class RolloutProgressed(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A target said something new on its way.

    A workload was seen with `carries`, the label that names its chart, at this `generation`; a Helm release at this
    version of it, with `carries` the Jobs that completed and may remove themselves; others leave both out.
    """

    target: str
    message: str
    carries: str = ""
    generation: int = 0


class RolloutSucceeded(Fact, frozen=True, kw_only=True):
    """A target runs our chart, proven by the evidence."""

    target: str
    message: str
    evidence: Evidence


class RolloutFailed(Fact, frozen=True, kw_only=True):
    """A target will not run our chart; `reason` is a code, `message` is what a person can act on."""

    target: str
    reason: str
    message: str
    evidence: Evidence


class DeploymentSucceeded(Fact, frozen=True, kw_only=True):
    """Every target runs our chart."""

    message: str


class DeploymentFailed(Fact, frozen=True, kw_only=True):
    """The deployment ended: at which `stage` (validating, pushing, monitoring), why as a code, and why in words."""

    stage: str
    reason: str
    message: str


Event = (
    DeploymentRequested
    | CancellationRequested
    | ValidationStarted
    | PushStarted
    | ChartPushed
    | MonitoringStarted
    | RolloutProgressed
    | RolloutSucceeded
    | RolloutFailed
    | DeploymentSucceeded
    | DeploymentFailed
)

STORED_NAMES: Final[dict[type[Fact], tuple[str, int]]] = {
    DeploymentRequested: ("deployment.requested", 1),
    CancellationRequested: ("cancellation.requested", 1),
    ValidationStarted: ("validation.started", 1),
    PushStarted: ("push.started", 1),
    ChartPushed: ("chart.pushed", 1),
    MonitoringStarted: ("monitoring.started", 1),
    RolloutProgressed: ("rollout.progressed", 1),
    RolloutSucceeded: ("rollout.succeeded", 1),
    RolloutFailed: ("rollout.failed", 1),
    DeploymentSucceeded: ("deployment.succeeded", 1),
    DeploymentFailed: ("deployment.failed", 1),
}
"""The name and schema number under which each type is stored: explicit, so a renamed class changes nothing."""

WRITERS: Final[dict[str, frozenset[str]]] = {
    "deployment.requested": frozenset({"gateway"}),
    "cancellation.requested": frozenset({"gateway"}),
    "validation.started": frozenset({"pusher"}),
    "push.started": frozenset({"pusher"}),
    "chart.pushed": frozenset({"pusher"}),
    "monitoring.started": frozenset({"monitor"}),
    "rollout.progressed": frozenset({"monitor"}),
    "rollout.succeeded": frozenset({"monitor"}),
    "rollout.failed": frozenset({"monitor"}),
    "deployment.succeeded": frozenset({"monitor", "pusher"}),
    "deployment.failed": frozenset({"gateway", "pusher", "monitor"}),
}
"""Who may append what. The pusher ends a deployment that has no targets; whoever fails it says so."""
