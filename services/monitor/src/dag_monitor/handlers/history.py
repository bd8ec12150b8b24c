"""What is known of the pushes around ours: who came later, what holds our chart, since when this content is there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from dag_common.contracts.codec import decode
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import ChartPushed, DeploymentId, PushStarted
from dag_common.domain.deployment import Deployment
from dag_common.errors import Unreadable
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_monitor.domain.expectation import Earlier, Introduced, Knowledge, Later, Relation, before, related
from dag_monitor.domain.pushes import Push, in_lane, relations_after
from dag_monitor.handlers.contents import earlier_contents
from dag_monitor.handlers.lineage import Lineage

PAGE = 1_000
KEPT = 20_000
"""Pushes kept in memory; a rollout older than the oldest of them makes the cache begin anew at its own push."""

SEARCHED_BACK = 50
"""Earlier pushes of the same content looked at."""

REMEMBERED = 2_000
"""Deployments whose content's past is kept in memory."""


class PushHistory:
    """A tail of the log's pushes, read once for all rollouts of this process, and git where the log does not know."""

    def __init__(self, database: Database, lineage: Lineage) -> None:
        self._database = database
        self._lineage = lineage
        self._pushes: list[Push] = []
        self._from = self._to = -1
        self._wanted: int | None = None
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._past: dict[DeploymentId, tuple[Introduced | None, tuple[Earlier, ...]]] = {}

    async def knowledge(self, deployment: Deployment, seen: Collection[str], changed: asyncio.Event) -> Knowledge:
        """Everything known now about the pushes after this deployment's own, and about its content's past.

        `seen` are the commits it is to be judged by; `changed` is set when more is known of one of them. Raises
        `Unavailable` when the log cannot be asked.
        """
        pushed = deployment.pushed
        if pushed is None:
            return Knowledge()
        await self._catch_up(deployment.pushed_position - 1)
        lane = [push for push in self._pushes if in_lane(push, pushed)]
        after = [push for push in lane if push.position > deployment.pushed_position]
        logged = _earlier(lane, deployment) | before(deployment, pushed) | relations_after(deployment, pushed, after)
        asked = _asked(seen, pushed, logged)
        answers, doubts = self._lineage.relations(pushed, asked, changed)
        introduced, earlier = await self._what_lies_behind(deployment)
        later = [push for push in after if push.fact.path == pushed.path and push.fact.tree != pushed.tree]
        return Knowledge(
            relations=logged | answers,
            doubts=doubts,
            later=tuple(Later(push.deployment_id, push.fact.chart_version, push.fact.commit) for push in later),
            introduced=introduced,
            earlier=earlier,
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
            while (page := await self._page()) is not None:
                self._pushes += page
            if len(self._pushes) > KEPT:
                self._from = self._pushes[-KEPT].position
                del self._pushes[:-KEPT]

    async def _page(self) -> list[Push] | None:
        """The next pushes, as far as they can be read; None at the end."""
        async with self._database.connection() as connection:
            records = await event_log.read_type(connection, "chart.pushed", after=self._to, limit=PAGE)
            ids = [record.deployment_id for record in records]
            started = await event_log.newest_of_type(connection, ids, "push.started") if ids else []
        if not records:
            return None
        self._to = records[-1].position
        bases = {record.deployment_id: _base(record) for record in started}
        return [push for record in records if (push := _push(record, bases.get(record.deployment_id)))]

    async def _what_lies_behind(self, deployment: Deployment) -> tuple[Introduced | None, tuple[Earlier, ...]]:
        """The push that brought this content before, and other contents, asked for once: what lies behind stays."""
        if deployment.id not in self._past:
            if len(self._past) >= REMEMBERED:
                self._past.clear()
            past = await self._search(deployment), await earlier_contents(self._database, deployment)
            self._past[deployment.id] = past
        return self._past[deployment.id]

    async def _search(self, deployment: Deployment) -> Introduced | None:
        """The newest earlier push that changed the path to this content; also a return to an older chart has one."""
        pushed = deployment.pushed
        assert pushed is not None  # noqa: S101 - the caller looked
        async with self._database.connection() as connection:
            records = await event_log.pushes_of_tree(
                connection, pushed.tree, before=deployment.pushed_position, limit=SEARCHED_BACK
            )
        for record in records:
            push = _push(record, None)
            if push and in_lane(push, pushed) and push.fact.path == pushed.path and not push.fact.unchanged:
                return Introduced(record.recorded_at, push.fact)
        return None


def _push(record: Recorded, base: str | None) -> Push | None:
    """None for a push of a newer version of DAG: knowing less makes verdicts later, not wrong."""
    try:
        fact = decode(record)
    except Unreadable:
        return None
    assert isinstance(fact, ChartPushed)  # noqa: S101 - what the query asks for
    return Push(record.position, record.deployment_id, fact, base)


def _base(record: Recorded) -> str | None:
    """None after a second attempt: what arrived may be what the first one sent, and lie before this one's base."""
    try:
        fact = decode(record)
    except Unreadable:
        return None
    return fact.base if isinstance(fact, PushStarted) and fact.attempt == 1 else None


def _earlier(lane: Sequence[Push], deployment: Deployment) -> dict[str, Relation]:
    """What was recorded before a push of ours is part of it; an older tip of an unchanged chart may hold it too."""
    if deployment.pushed is None or deployment.pushed.unchanged:
        return {}
    return {push.fact.commit: Relation.ANCESTOR for push in lane if push.position < deployment.pushed_position}


def _asked(seen: Collection[str], pushed: ChartPushed, logged: Mapping[str, Relation]) -> dict[str, Relation]:
    """What git may know more of than the log: commits of strangers, and ancestors, which may be all that is left."""
    strange = {commit: related(commit, logged) for commit in seen if not pushed.commit.startswith(commit)}
    return {each: known for each, known in strange.items() if known in (Relation.UNKNOWN, Relation.ANCESTOR)}
