"""What goes into a group commit and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_pusher.domain.plan import Problem, Unusable


@dataclass(frozen=True, slots=True)
class WaitingChart:
    """A deployment and its chart's files as they shall stand in git, or why there are none.

    `bases` are the tips its earlier attempts built on ("" for a branch that was not there); empty: never attempted.
    `log_head` is the log's hash at `position`.
    """

    deployment_id: DeploymentId
    requested: DeploymentRequested
    requested_at: datetime
    position: int
    log_head: str
    files: Mapping[str, bytes] | Problem
    bases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a deployment's chart stands: what `chart.pushed` needs. `settled`: it does so without this push.

    `chart` is its Chart.yaml, `previous_chart` the one it replaced (None: the path was used first).
    """

    deployment_id: DeploymentId
    commit: str
    tree: str
    chart: bytes | None
    previous_chart: bytes | None
    unchanged: bool
    settled: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """A chain built on `base` (empty: the branch is not there), up to `tip`; equal ones need no push."""

    base: str
    tip: str
    landed: tuple[Landed, ...]
    unusable: tuple[Unusable, ...]

    @property
    def needs_push(self) -> bool:
        """Whether there is a commit in it."""
        return bool(self.to_send)

    @property
    def to_send(self) -> tuple[Landed, ...]:
        """What stands in the branch only after a push."""
        return tuple(landed for landed in self.landed if not landed.settled)

    @property
    def settled(self) -> tuple[Landed, ...]:
        """What stands in the branch whatever becomes of a push."""
        return tuple(landed for landed in self.landed if landed.settled)
