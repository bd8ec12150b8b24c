"""Who drains a lane, and when the lane is empty."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from dag_common.bus.seam import Message
from dag_common.contracts.codec import decode, decode_record
from dag_common.contracts.events import DeploymentRequested
from dag_common.errors import Conflict, Unavailable
from dag_common.runtime.lifecycle import backoff
from dag_common.store import todo
from dag_common.store.database import Database
from dag_common.store.locks import Lock, try_lock
from dag_common.store.todo import Lane, PushEntry

log = structlog.get_logger()

RACES = 20
"""How often a batch may lose a race against another writer of its streams before the message goes back."""


class Batch(Protocol):
    """Pushes what waits at the head of a lane."""

    async def push(self, lane: Lane, entries: list[PushEntry]) -> bool:
        """Deal with the first entries; False if this code can read none of them."""


class Lanes:
    """Drains lanes, one pusher at a time each; different lanes go in parallel over all replicas.

    At most `at_once` are drained here: each holds a database session of its own for its lock.
    """

    def __init__(self, database: Database, batch: Batch, *, at_once: int) -> None:
        self._database = database
        self._batch = batch
        self._turns = asyncio.Semaphore(at_once)
        self._letting_go = False

    def let_go(self) -> None:
        """Begin no further batch: this process is about to stop, and what waits is left to others."""
        self._letting_go = True

    async def when_deployment_requested_drain_its_lane(self, message: Message) -> None:
        """Handle a wake-up. It may come late, twice or for a list that is empty by now."""
        event = decode(decode_record(message.body))
        if isinstance(event, DeploymentRequested):
            await self.drain(Lane(event.iac.repository, event.iac.branch))

    async def drain(self, lane: Lane) -> None:
        """Push until nothing waits, or return at once if somebody else drains this lane.

        Returning is safe then: the holder looks at the list once more after letting go of the lock, and keeps
        its own message unacknowledged until it did. Raises `Unavailable` if something is left to others;
        what only a newer DAG can read is left to its sweep.
        """
        async with self._turns:
            unreadable = 0
            while await self._waiting(lane, unreadable):
                if self._letting_go:
                    raise Unavailable("this pusher is about to stop")
                async with try_lock(self._database, lane.lock_name) as lock:
                    if lock is None:
                        return
                    unreadable = await self._drain_locked(lane, lock, unreadable)

    async def drain_all(self) -> None:
        """Drain every lane something waits in: at start and by the sweep, what no message woke."""
        async with self._database.connection() as connection:
            lanes = await todo.lanes_to_push(connection)
        results = await asyncio.gather(*(self.drain(lane) for lane in lanes), return_exceptions=True)
        for lane, result in zip(lanes, results, strict=True):
            if isinstance(result, Unavailable):
                log.warning("lane_postponed", repository=lane.repository, branch=lane.branch, reason=result.message)
            elif isinstance(result, BaseException):
                log.error("lane_failed", repository=lane.repository, branch=lane.branch, exc_info=result)

    async def _drain_locked(self, lane: Lane, lock: Lock, unreadable: int) -> int:
        """Push what lies behind the position `unreadable`; returns up to where only a newer DAG can read the list.

        Raises `Unavailable` when the lock is lost, and stops then as if it had been killed: the next holder finds in
        git what arrived.
        """
        races = 0
        while not (self._letting_go or lock.lost.is_set()) and (entries := await self._waiting(lane, unreadable)):
            try:
                if not await lock.guard(self._batch.push(lane, entries)):
                    unreadable = entries[-1].position
                races = 0
            except Conflict as exc:
                races += 1
                if races == RACES:
                    raise Unavailable(f"{races} lost races on {lane.repository}:{lane.branch}") from exc
                await asyncio.sleep(backoff(races, first=0.05, cap=1.0))
        return unreadable

    async def _waiting(self, lane: Lane, after: int) -> list[PushEntry]:
        async with self._database.connection() as connection:
            return await todo.to_push(connection, lane, after=after)
