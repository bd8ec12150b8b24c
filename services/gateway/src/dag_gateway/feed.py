"""One follower of the log per process, handing each record to the streams of its deployment."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from enum import Enum
from typing import Final, Self

from prometheus_client import Counter, Gauge

from dag_common.bus.seam import Bus
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId
from dag_common.delivery.feed import feed
from dag_common.store import event_log
from dag_common.store.database import Database

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
    """Follows the log once for the whole process, whatever number of streams there are.

    What is appended after its position is handed out; so it has one before anybody can subscribe, or a record that is
    missing in what a reader had read already would be nobody's.
    """

    def __init__(self, bus: Bus, database: Database, *, after: int) -> None:
        self._bus = bus
        self._database = database
        self._position = after
        self.draining = False
        self._subscriptions: defaultdict[DeploymentId, set[Subscription]] = defaultdict(set)

    @classmethod
    async def from_now_on(cls, bus: Bus, database: Database) -> Self:
        """A feed of what is appended from now on. Raises `Unavailable` when the log cannot be read."""
        async with database.connection() as connection:
            return cls(bus, database, after=(await event_log.head(connection)).position)

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

    async def run(self) -> None:
        """Follow until cancelled; raises `Unavailable` when the log cannot be read.

        Run again after an outage, it goes on where it was.
        """
        async with aclosing(feed(self._database, self._bus, after=self._position)) as records:
            async for record in records:
                self._hand_out(record)

    def _hand_out(self, record: Recorded) -> None:
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
