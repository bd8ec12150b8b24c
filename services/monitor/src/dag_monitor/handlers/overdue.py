"""End what is overdue although nobody could: the last resort that lets every deployment end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import structlog

from dag_common.contracts.events import DeploymentId
from dag_common.domain.deployment import load
from dag_common.errors import Conflict, Unreadable
from dag_common.store import todo
from dag_common.store.database import Database
from dag_common.store.streams import Decision, Streams
from dag_monitor.domain.rollout import Sight, decide, last_deadline
from dag_monitor.handlers.unread import Unread

log = structlog.get_logger()

GRACE: Final = timedelta(seconds=30)
"""What watches a rollout ends it at its deadline and knows better why; it is given this long."""

PAGE: Final = 100


class Overdue:
    """Fails deployments whose deadlines are over, from the log alone: no cluster, judge or registry is asked.

    Each replica may sweep; the expected version lets one of them, or the watch itself, be first. Deadlines do not
    change, so a stream is read once.
    """

    def __init__(self, database: Database, streams: Streams, unread: Unread, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._streams = streams
        self._unread = unread
        self._clock = clock
        self._deadlines: dict[DeploymentId, datetime] = {}

    async def sweep(self) -> None:
        """End what should have ended 30 s ago. Raises `Unavailable`."""
        async with self._database.connection() as connection:
            listed = [entry.deployment_id for entry in await todo.to_watch(connection)]
        self._unread.keep(listed)
        self._deadlines = {each: self._deadlines[each] for each in listed if each in self._deadlines}
        new = [each for each in listed if each not in self._deadlines and each not in self._unread.ids]
        for start in range(0, len(new), PAGE):
            await self._learn(new[start : start + PAGE])
        over = self._clock() - GRACE
        for deployment_id in [each for each, deadline in self._deadlines.items() if deadline <= over]:
            await self._end(deployment_id)

    async def _learn(self, deployment_ids: Collection[DeploymentId]) -> None:
        for deployment_id, records in (await self._streams.load_records(deployment_ids)).items():
            try:
                deadline = last_deadline(load(deployment_id, records))
            except Unreadable as exc:
                self._unread.add(deployment_id, exc.message)
            else:
                if deadline is not None:
                    self._deadlines[deployment_id] = deadline

    async def _end(self, deployment_id: DeploymentId) -> None:
        try:
            deployment = await self._streams.load(deployment_id)
            await self._streams.append(Decision(deployment, decide(deployment, Sight(), self._clock())))
        except Unreadable as exc:
            self._unread.add(deployment_id, exc.message)
        except Conflict:
            log.debug("rollout_moved_on", deployment_id=deployment_id)
        else:
            log.warning("rollout_overdue", deployment_id=deployment_id)
