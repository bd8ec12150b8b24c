"""The two to-do lists: what is still to be pushed, and what is still to be watched.

Entries change only with appended events (the log's append function does it), so a list never disagrees
with the log. They are the only derived state that decisions may read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from dag_common.contracts.events import DeploymentId
from dag_common.store.database import Connection
from dag_common.store.statements import statement


@dataclass(frozen=True, slots=True)
class Lane:
    """One branch of one IaC repository: its deployments are committed in the order of their positions."""

    repository: str
    branch: str

    @property
    def lock_name(self) -> str:
        """The advisory lock that says who drains this lane."""
        return f"push:{self.repository}:{self.branch}"


@dataclass(frozen=True, slots=True)
class PushEntry:
    """A deployment that waits to be pushed; `position` is that of its `deployment.requested`.

    `superseded_by` is the newest deployment of the same environment that waits too and asks older ones to give way.
    `waited` is for how many seconds, by the database's clock: the only one that every process shares.
    """

    deployment_id: DeploymentId
    position: int
    repository: str
    branch: str
    superseded_by: DeploymentId | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """A rollout that is still to be watched; `position` is that of its `chart.pushed`."""

    deployment_id: DeploymentId
    position: int


async def lanes_to_push(connection: Connection) -> list[Lane]:
    """The lanes with something to push, longest waiting first."""
    return [Lane(**row) for row in await connection.fetch(statement("lanes_to_push"))]


async def to_push(connection: Connection, lane: Lane, *, after: int = 0, limit: int = 100) -> list[PushEntry]:
    """The first `limit` entries of a lane with a position above `after`, in the order of positions."""
    rows = await connection.fetch(statement("to_push"), lane.repository, lane.branch, limit, after)
    return [PushEntry(**row) for row in rows]


async def to_watch(connection: Connection) -> list[WatchEntry]:
    """Every rollout still to be watched, in the order of positions."""
    return [WatchEntry(**row) for row in await connection.fetch(statement("to_watch"))]


async def touch_watches(
    connection: Connection, held: Mapping[DeploymentId, datetime | None]
) -> dict[DeploymentId, datetime]:
    """Say that these rollouts are in hand, each with the touch that was ours last (None: take it, whoever has it).

    Returns the touches that count now. What is missing has ended, or somebody else touched it since: it is theirs.
    """
    rows = await connection.fetch(statement("touch_watches"), list(held), list(held.values()))
    return {row["deployment_id"]: row["touched_at"] for row in rows}


async def claim_stale_watches(
    connection: Connection, *, older_than: float, limit: int, except_for: Collection[DeploymentId] = ()
) -> list[WatchEntry]:
    """Rollouts that nobody touched for `older_than` seconds; touches them, so that one sweeper takes each."""
    rows = await connection.fetch(statement("claim_stale_watches"), older_than, limit, list(except_for))
    return [WatchEntry(**row) for row in rows]
