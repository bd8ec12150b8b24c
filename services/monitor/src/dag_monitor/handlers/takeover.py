"""Take up the rollouts that nobody has in hand: their monitor died, or no message told anybody of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final, Protocol

import structlog

from dag_common.bus.seam import Message
from dag_common.contracts.events import DeploymentId
from dag_common.delivery.relay import as_message
from dag_common.errors import DagError, Unreadable
from dag_common.store import event_log, todo
from dag_common.store.database import Connection, Database
from dag_monitor.handlers.hands import Hands
from dag_monitor.handlers.unread import Unread

log = structlog.get_logger()

STALE: Final = timedelta(seconds=3)
"""A rollout nobody touched for this long is nobody's: four touches were missed."""

AT_ONCE: Final = 100
"""Rollouts claimed by one statement at most; a sweep goes on until nothing is left, or no hand is free."""

DRAIN_SECONDS: Final = 2.0


class Watch(Protocol):
    """Watches a rollout, told of by the message that would have woken us."""

    async def __call__(self, message: Message) -> None:
        """Returns when it ended, or was handed over."""


class Takeover:
    """Taken up here and now, by whoever has a hand free: a message might go to the one that is gone.

    So nothing piles up on the broker, whatever waits, and what waits for a free hand is not woken at all.
    """

    def __init__(
        self, database: Database, hands: Hands, unread: Unread, watch: Watch, *, contact: Callable[[], timedelta]
    ) -> None:
        self._database = database
        self._hands = hands
        self._unread = unread
        self._watch = watch
        self._contact = contact
        self._watches: set[asyncio.Task[None]] = set()

    async def sweep(self) -> None:
        """Take up what is nobody's; only who could have heard the others all the while may say that of it."""
        if self._contact() >= STALE:
            await self.take_up(untouched_for=STALE)

    async def take_up(self, *, untouched_for: timedelta = timedelta(0)) -> None:
        """Take up what nobody touched for so long, as far as hands are free."""
        taken: set[DeploymentId] = set()
        while self._hands.free and (claimed := await self._claim(untouched_for, self._unread.ids | taken)):
            for deployment_id, message in claimed.items():
                self._begin(deployment_id, message)
            taken.update(claimed)
            await asyncio.sleep(0)  # until each has its hand

    async def _claim(
        self, untouched_for: timedelta, except_for: Collection[DeploymentId]
    ) -> dict[DeploymentId, Message]:
        async with self._database.connection() as connection:
            entries = await todo.claim_stale_watches(
                connection,
                older_than=untouched_for.total_seconds(),
                limit=min(self._hands.free, AT_ONCE),
                except_for=except_for,
            )
            return {entry.deployment_id: await _message(connection, entry) for entry in entries}

    def _begin(self, deployment_id: DeploymentId, message: Message) -> None:
        task = asyncio.create_task(self._take_up(deployment_id, message), name=f"watch {deployment_id}")
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def drain(self) -> None:
        """Give the watches taken up here a moment to be handed over; another's sweep finds what is left as soon."""
        if self._watches:
            await asyncio.wait(self._watches, timeout=DRAIN_SECONDS)
        late = set(self._watches)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _take_up(self, deployment_id: DeploymentId, message: Message) -> None:
        log.info("rollout_taken_up", deployment_id=deployment_id)
        try:
            await self._watch(message)
        except Unreadable as exc:
            self._unread.add(deployment_id, exc.message)
        except DagError as exc:
            log.warning("rollout_dropped", deployment_id=deployment_id, reason=exc.message)
        except Exception:
            log.exception("rollout_dropped", deployment_id=deployment_id)


async def _message(connection: Connection, entry: todo.WatchEntry) -> Message:
    (record,) = await event_log.read_log(connection, after=entry.position - 1, limit=1)
    return as_message(record)
