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

    `bases` are the tips that attempts built on of which nobody recorded what became ("" for a branch that was not
    there). `log_head` is the log's hash at `position`.
    """

    deployment_id: DeploymentId
    requested: DeploymentRequested
    requested_at: datetime
    position: int
    log_head: str
    files: Mapping[str, bytes] | Problem
    bases: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return 0 if isinstance(self.files, Problem) else sum(map(len, self.files.values()))

    def doubtful(self, tip: str) -> bool:
        """Whether an attempt of before may still arrive: what it built on is the branch's tip (empty: no branch)."""
        return tip in self.bases


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a deployment's chart stands: what `chart.pushed` needs. `settled`: it does so whatever is pushed now.

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
    """A chain built on `base` (empty: the branch is not there), up to `tip`; equal ones need no push.

    Of what is `unusable`, the `doubtful` may be in a push that is still on its way: only once the branch has moved,
    with this chain, is it certain that it never arrives.
    """

    base: str
    tip: str
    landed: tuple[Landed, ...]
    unusable: tuple[Unusable, ...]
    doubtful: frozenset[DeploymentId] = frozenset()

    @property
    def needs_push(self) -> bool:
        """Whether anything depends on it."""
        return bool(self.to_send or self.doubtful)

    def problem_of(self, deployment_id: DeploymentId) -> Problem | None:
        """Why this deployment cannot be committed; None if it can."""
        found = (each.problem for each in self.unusable if each.candidate.deployment_id == deployment_id)
        return next(found, None)

    @property
    def to_send(self) -> tuple[Landed, ...]:
        """What stands in the branch only after a push."""
        return tuple(landed for landed in self.landed if not landed.settled)

    @property
    def settled(self) -> tuple[Landed, ...]:
        """What stands in the branch whatever becomes of a push."""
        return tuple(landed for landed in self.landed if landed.settled)
