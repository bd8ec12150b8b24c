"""What the log knows of the pushes around ours: who came later, and since when this content is in place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dag_common.contracts.codec import decode
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import ChartPushed, DeploymentId
from dag_common.domain.deployment import Deployment
from dag_common.errors import Unreadable
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_monitor.domain.expectation import Introduced, Knowledge, Later, Relation

PAGE = 1_000
KEPT = 20_000
"""Pushes kept in memory; a rollout older than the oldest of them makes the cache begin anew at its own push."""

SEARCHED_BACK = 50
"""Earlier pushes of the same content looked at."""

REMEMBERED = 2_000
"""Deployments whose content's past is kept in memory."""


@dataclass(frozen=True, slots=True)
class Push:
    """A `chart.pushed` and where it stands in the log."""

    position: int
    deployment_id: str
    fact: ChartPushed


class PushHistory:
    """A tail of the log's pushes, read once for all rollouts of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pushes: list[Push] = []
        self._from = self._to = -1
        self._wanted: int | None = None
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._brought: dict[DeploymentId, Introduced | None] = {}

    async def knowledge(self, deployment: Deployment) -> Knowledge:
        """Everything known now about the pushes after this deployment's own, and about its content's past.

        Raises `Unavailable`.
        """
        pushed = deployment.pushed
        if pushed is None:
            return Knowledge()
        await self._catch_up(deployment.pushed_position)
        after = [
            push for push in self._pushes if push.position > deployment.pushed_position and _same_lane(push, pushed)
        ]
        later = [push for push in after if push.fact.path == pushed.path and push.fact.tree != pushed.tree]
        replaced_from = later[0].position if later else None
        return Knowledge(
            relations={push.fact.commit: _relation(push, replaced_from) for push in after},
            later=tuple(Later(push.deployment_id, push.fact.chart_version, push.fact.commit) for push in later),
            introduced=await self._introduced(deployment),
        )

    async def _catch_up(self, position: int) -> None:
        """Share a look that has not begun: one that has begun may have missed what the caller already saw."""
        self._wanted = position if self._wanted is None else min(position, self._wanted)
        if self._next is None:
            self._next = asyncio.create_task(self._read(), name="push history")
        await asyncio.shield(self._next)

    async def _read(self) -> None:
        async with self._turn:
            self._next, wanted, self._wanted = None, self._wanted, None
            if wanted is not None and (self._from < 0 or wanted < self._from):
                self._pushes, self._from, self._to = [], wanted, wanted
            while page := await self._page():
                self._pushes += [push for record in page if (push := _push(record))]
                self._to = page[-1].position
            if len(self._pushes) > KEPT:
                self._from = self._pushes[-KEPT].position
                del self._pushes[:-KEPT]

    async def _page(self) -> list[Recorded]:
        async with self._database.connection() as connection:
            return await event_log.read_type(connection, "chart.pushed", after=self._to, limit=PAGE)

    async def _introduced(self, deployment: Deployment) -> Introduced | None:
        """The push that brought this content before, asked for once: what lies behind a push does not change."""
        if deployment.id not in self._brought:
            if len(self._brought) >= REMEMBERED:
                self._brought.clear()
            self._brought[deployment.id] = await self._search(deployment)
        return self._brought[deployment.id]

    async def _search(self, deployment: Deployment) -> Introduced | None:
        """The newest earlier push that changed the path to this content; also a return to an older chart has one."""
        pushed = deployment.pushed
        assert pushed is not None  # noqa: S101 - the caller looked
        async with self._database.connection() as connection:
            records = await event_log.pushes_of_tree(
                connection, pushed.tree, before=deployment.pushed_position, limit=SEARCHED_BACK
            )
        for record in records:
            push = _push(record)
            if push and _same_lane(push, pushed) and push.fact.path == pushed.path and not push.fact.unchanged:
                return Introduced(record.recorded_at, push.fact)
        return None


def _push(record: Recorded) -> Push | None:
    """None for a push of a newer version of DAG: knowing less makes verdicts later, not wrong."""
    try:
        fact = decode(record)
    except Unreadable:
        return None
    assert isinstance(fact, ChartPushed)  # noqa: S101 - what the query asks for
    return Push(record.position, record.deployment_id, fact)


def _same_lane(push: Push, pushed: ChartPushed) -> bool:
    return (push.fact.repository, push.fact.branch) == (pushed.repository, pushed.branch)


def _relation(push: Push, replaced_from: int | None) -> Relation:
    if replaced_from is not None and push.position >= replaced_from:
        return Relation.REPLACED
    return Relation.DESCENDANT
