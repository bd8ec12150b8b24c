"""Keep the to-do list honest: say what is in hand, wake what lies untouched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from dag_common.contracts.events import DeploymentId
from dag_common.delivery.relay import as_message
from dag_common.store import event_log, todo
from dag_common.store.database import Database
from dag_monitor.handlers.rollouts import Continuation

log = structlog.get_logger()

TOUCH_SECONDS = 5.0
STALE_SECONDS = 20.0
"""A rollout nobody touched for this long is woken: four touches were missed."""


class Upkeep:
    """Two slow loops beside the watches. Both may run in every replica: a wake-up too many is harmless."""

    def __init__(
        self, database: Database, in_hand: Callable[[], Collection[DeploymentId]], wake: Continuation, *, at_once: int
    ) -> None:
        self._database = database
        self._in_hand = in_hand
        self._wake = wake
        self._at_once = at_once

    async def keep_touching(self) -> None:
        """Touch what is in hand, for ever."""
        while True:
            if ids := self._in_hand():
                async with self._database.connection() as connection:
                    await todo.touch_watches(connection, ids)
            await asyncio.sleep(TOUCH_SECONDS)

    async def sweep(self, *, older_than: float) -> None:
        """Wake each rollout that nobody touched for `older_than` seconds, unless all hands here are full.

        What waits for a free hand is untouched too; waking it again and again would only fill the queue.
        """
        if len(self._in_hand()) >= self._at_once:
            return
        async with self._database.connection() as connection:
            stale = await todo.claim_stale_watches(connection, older_than=older_than)
        for entry in stale:
            await self._wake_one(entry)

    async def _wake_one(self, entry: todo.WatchEntry) -> None:
        async with self._database.connection() as connection:
            (record,) = await event_log.read_log(connection, after=entry.position - 1, limit=1)
        log.info("rollout_woken", deployment_id=entry.deployment_id)
        await self._wake(as_message(record))
