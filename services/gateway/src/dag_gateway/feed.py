"""One follower of the log per process, handing each record to the streams of its deployment."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from dag_common.bus.seam import Bus, Message
from dag_common.contracts.codec import decode_record
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId
from dag_common.errors import Unreadable
from dag_common.store import event_log
from dag_common.store.database import Database

log = structlog.get_logger()

POLL_SECONDS: Final = 2.0
PAGE: Final = 500
MAX_WAITING: Final = 256
"""Records a stream may lag behind before it is cut; its client resumes where it was."""

STREAMS = Gauge("dag_event_streams", "Event streams open now")
CUT = Counter("dag_event_streams_cut", "Event streams closed because their reader was too slow")
POSITION = Gauge("dag_feed_position", "The newest log position this process has handed to its streams")


class Ended(Enum):
    """Why a subscription gets nothing more."""

    SLOW = "slow"
    DRAINING = "draining"


class Subscription:
    """The records of one deployment, as they come."""

    def __init__(self) -> None:
        self.ended: Ended | None = None
        self._waiting: deque[Recorded] = deque()
        self._wake = asyncio.Event()

    def offer(self, record: Recorded) -> None:
        """Queue a record; a subscription that holds too many ends instead."""
        if len(self._waiting) >= MAX_WAITING:
            self.end(Ended.SLOW)
            return
        self._waiting.append(record)
        self._wake.set()

    def end(self, reason: Ended) -> None:
        """Wake whoever takes, for the last time."""
        self.ended = self.ended or reason
        self._wake.set()

    async def take(self, seconds: float) -> list[Recorded]:
        """Everything queued, as soon as there is anything, the subscription ended, or `seconds` passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return []
        taken = list(self._waiting)
        self._waiting.clear()
        if self.ended is None:
            self._wake.clear()
        return taken


class Feed:
    """Follows the log by position. A message is a hint; what is missing before it is read from the log.

    The log is also looked at every 2 s, so an outage of the broker delays streams and loses nothing.
    """

    def __init__(self, bus: Bus, database: Database) -> None:
        self._bus = bus
        self._database = database
        self._position: int | None = None
        self._behind = asyncio.Event()
        self.draining = False
        self._subscriptions: defaultdict[DeploymentId, set[Subscription]] = defaultdict(set)

    @contextmanager
    def subscribe(self, deployment_id: DeploymentId) -> Iterator[Subscription]:
        """Take part; read the stream from the log after this, so that nothing falls between."""
        subscription = Subscription()
        if self.draining:
            subscription.end(Ended.DRAINING)
        self._subscriptions[deployment_id].add(subscription)
        STREAMS.inc()
        try:
            yield subscription
        finally:
            STREAMS.dec()
            self._leave(deployment_id, subscription)

    def drain(self) -> None:
        """End every subscription, and those to come at once: this process is about to stop."""
        self.draining = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end(Ended.DRAINING)

    async def follow_bus(self) -> None:
        """Hand out what the bus brings as long as nothing is missing before it; ends when the bus does."""
        async with self._bus.follow() as messages:
            async for message in messages:
                record = None if message is None else _record(message)
                if record is not None and self._position is not None and record.position <= self._position + 1:
                    self._hand_out(record)
                else:
                    self._behind.set()

    async def follow_log(self) -> None:
        """Read on in the log when the bus shows a gap, and every 2 s; raises `Unavailable` when the log is gone.

        Begins at the end of the log; run again after an outage, it goes on where it was.
        """
        if self._position is None:
            async with self._database.connection() as connection:
                self._position = (await event_log.head(connection)).position
        while True:
            await self._read_on()
            await self._fall_behind()

    async def _fall_behind(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._behind.wait()
        except TimeoutError:
            return
        self._behind.clear()

    async def _read_on(self) -> None:
        """Hand out everything the log holds after our position."""
        more = True
        while more:
            async with self._database.connection() as connection:
                records = await event_log.read_log(connection, after=self._position or 0, limit=PAGE)
            for record in records:
                self._hand_out(record)
            more = len(records) == PAGE

    def _hand_out(self, record: Recorded) -> None:
        if record.position <= (self._position or 0):
            return
        self._position = record.position
        POSITION.set(record.position)
        for subscription in self._subscriptions.get(record.deployment_id, ()):
            subscription.offer(record)

    def _leave(self, deployment_id: DeploymentId, subscription: Subscription) -> None:
        if subscription.ended is Ended.SLOW:
            CUT.inc()
        self._subscriptions[deployment_id].discard(subscription)
        if not self._subscriptions[deployment_id]:
            del self._subscriptions[deployment_id]


def _record(message: Message) -> Recorded | None:
    try:
        return decode_record(message.body)
    except Unreadable as exc:
        log.warning("feed_message_unreadable", message_id=message.id, reason=exc.message)
        return None
