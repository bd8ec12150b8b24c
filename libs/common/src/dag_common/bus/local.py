"""The bus inside one process: the same promises as the broker's as long as the process lives, nothing on disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from dag_common.bus.inbox import Arrivals, Inbox
from dag_common.bus.seam import DeadLetter, Message
from dag_common.contracts.topology import BINDINGS
from dag_common.errors import Unavailable

QUEUE_LIMIT: Final = 100_000
"""Messages a work queue holds before publishing is refused."""

RETRY_LIMIT_SECONDS: Final = 300.0
DEAD_LETTERS_LIMIT: Final = 1_000
"""Dead letters kept; the oldest give way."""


@dataclass(slots=True, eq=False)
class _Consumer:
    prefetch: int
    inbox: Arrivals[LocalDelivery] = field(default_factory=Arrivals)
    unsettled: dict[int, LocalDelivery] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    number: int
    """The place in the queue; a message given back returns to it."""
    attempt: int = field(compare=False)
    failures: int = field(compare=False)
    message: Message = field(compare=False)


@dataclass(slots=True, eq=False)
class LocalDelivery:
    """A message in one consumer's hands."""

    queue: _WorkQueue
    consumer: _Consumer
    waiting: _Waiting

    @property
    def message(self) -> Message:
        """What was sent."""
        return self.waiting.message

    @property
    def attempt(self) -> int:
        """1 for the first delivery."""
        return self.waiting.attempt

    @property
    def failures(self) -> int:
        """What the last retry said."""
        return self.waiting.failures

    async def ack(self) -> None:
        """Done."""
        self._settle()

    async def retry(self, delay: float, *, failures: int = 0) -> None:
        """Put a copy back after the delay."""
        if self._settle():
            again = replace(self.waiting, attempt=self.attempt + 1, failures=failures)
            self.queue.put_later(again, min(delay, RETRY_LIMIT_SECONDS))

    async def dead_letter(self, reason: str) -> None:
        """Set aside."""
        if self._settle():
            letter = DeadLetter(message=self.message, queue=self.queue.name, reason=reason, attempt=self.attempt)
            self.queue.dead_letters.append(letter)

    def _settle(self) -> bool:
        """False when the consumer has gone and the message with it."""
        held = self.consumer.unsettled.pop(self.waiting.number, None) is not None
        self.queue.hand_out()
        return held


@dataclass(slots=True, eq=False)
class _WorkQueue:
    name: str
    dead_letters: deque[DeadLetter]
    waiting: deque[_Waiting] = field(default_factory=deque)
    consumers: deque[_Consumer] = field(default_factory=deque)
    timers: set[asyncio.TimerHandle] = field(default_factory=set)
    count: int = 0

    def put(self, message: Message, attempt: int = 1, failures: int = 0) -> None:
        self.count += 1
        self.waiting.append(_Waiting(self.count, attempt, failures, message))
        self.hand_out()

    def put_later(self, again: _Waiting, delay: float) -> None:
        def now() -> None:
            self.timers.discard(timer)
            self.put(again.message, again.attempt, again.failures)

        timer = asyncio.get_running_loop().call_later(delay, now)
        self.timers.add(timer)

    def hand_out(self) -> None:
        """Give waiting messages to the consumers that have room, in turn."""
        while self.waiting and (consumer := self._next_with_room()) is not None:
            waiting = self.waiting.popleft()
            delivery = LocalDelivery(self, consumer, waiting)
            consumer.unsettled[waiting.number] = delivery
            consumer.inbox.put(delivery)

    def stop(self, consumer: _Consumer) -> None:
        """A consumer takes nothing more: what it has not taken yet goes back."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)
            self.take_back(consumer, consumer.inbox.drop())

    def leave(self, consumer: _Consumer) -> None:
        """A consumer leaves: all it held goes back."""
        self.stop(consumer)
        self.take_back(consumer, list(consumer.unsettled.values()))

    def take_back(self, consumer: _Consumer, deliveries: list[LocalDelivery]) -> None:
        """Messages return to their places, as the next attempts."""
        again = [replace(each.waiting, attempt=each.attempt + 1) for each in deliveries]
        for delivery in deliveries:
            del consumer.unsettled[delivery.waiting.number]
        self.waiting = deque(sorted([*again, *self.waiting]))
        self.hand_out()

    def _next_with_room(self) -> _Consumer | None:
        for _ in range(len(self.consumers)):
            self.consumers.rotate(-1)
            if len(self.consumers[-1].unsettled) < self.consumers[-1].prefetch:
                return self.consumers[-1]
        return None


@dataclass(frozen=True, slots=True)
class LocalDeliveries:
    """A work queue's messages as they come."""

    queue: _WorkQueue
    consumer: _Consumer

    def __aiter__(self) -> LocalDeliveries:
        return self

    async def __anext__(self) -> LocalDelivery:
        return await anext(self.consumer.inbox)

    async def stop(self) -> None:
        """Take nothing more."""
        self.queue.stop(self.consumer)


class LocalBus:
    """The in-process bus: queues of `BINDINGS` in memory, for one event loop."""

    def __init__(self) -> None:
        self._dead_letters: deque[DeadLetter] = deque(maxlen=DEAD_LETTERS_LIMIT)
        self._queues = {name: _WorkQueue(name, self._dead_letters) for name in BINDINGS}
        self._followers: set[Inbox[Message]] = set()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put into every queue bound to the routing keys. Raises `Unavailable` when one is full."""
        for message in messages:
            for name, keys in BINDINGS.items():
                if message.routing_key in keys:
                    await self.send(name, message)
            for follower in self._followers:
                follower.put(message)

    async def send(self, queue: str, message: Message) -> None:
        """Put into one queue. Raises `Unavailable` when it is full."""
        if len(self._queues[queue].waiting) >= QUEUE_LIMIT:
            raise Unavailable(f"the queue {queue} holds {QUEUE_LIMIT} messages already: nobody takes them")
        self._queues[queue].put(message)

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int) -> AsyncIterator[LocalDeliveries]:
        """Compete for a queue's messages."""
        consumer = _Consumer(prefetch)
        work = self._queues[queue]
        work.consumers.append(consumer)
        work.hand_out()
        try:
            yield LocalDeliveries(work, consumer)
        finally:
            work.leave(consumer)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[Message | None]]:
        """Every message from now on; `None` first, and after a reader was too slow."""
        inbox: Inbox[Message] = Inbox()
        inbox.missed()
        self._followers.add(inbox)
        try:
            yield inbox
        finally:
            self._followers.discard(inbox)

    async def count(self) -> int:
        """How many dead letters are kept."""
        return len(self._dead_letters)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Look at the oldest dead letters."""
        return list(self._dead_letters)[:limit]

    async def replay(self, limit: int) -> int:
        """Send the oldest dead letters back to their queues."""
        letters = [self._dead_letters.popleft() for _ in range(min(limit, len(self._dead_letters)))]
        for letter in letters:
            self._queues[letter.queue].put(letter.message)
        return len(letters)

    async def ping(self) -> None:
        """It always answers."""

    async def close(self) -> None:
        """Forget retries that are still waiting; the to-do lists wake up what was unfinished."""
        for queue in self._queues.values():
            for timer in queue.timers:
                timer.cancel()
            queue.timers.clear()
