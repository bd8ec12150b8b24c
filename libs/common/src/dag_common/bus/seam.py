"""The seam between delivery and whatever carries messages. A message is a wake-up; the log is the truth."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `routing_key` is the event's stored type name, `id` the event id (a duplicate keeps it)."""

    id: str
    routing_key: str
    body: bytes
    traceparent: str = ""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message no handler could take: which queue it was for, why it was set aside, at which attempt."""

    message: Message
    queue: str
    reason: str
    attempt: int


class Delivery(Protocol):
    """A message in hand, to be settled once, by one of the three. Dropped unsettled, it comes again.

    When the connection it came by is lost, settling does nothing: the message comes again anyway.
    """

    @property
    def message(self) -> Message:
        """What was sent."""

    @property
    def attempt(self) -> int:
        """1 for the first delivery; counts redeliveries and retries."""

    @property
    def failures(self) -> int:
        """What the last `retry` said of it; 0 for a message that was not retried."""

    async def ack(self) -> None:
        """Done: the message is gone."""

    async def retry(self, delay: float, *, failures: int = 0) -> None:
        """Not now: the message comes again, as the next attempt, after about `delay` seconds (at most 5 minutes).

        `failures` goes with it: unlike the attempt, only its handler counts them.

        Raises `Unavailable` if that cannot be arranged; the message is then still in hand.
        """

    async def dead_letter(self, reason: str) -> None:
        """Cannot be handled: the message goes to the dead letters. Raises `Unavailable` as `retry` does."""


class Deliveries(Protocol):
    """Messages as they come. They outlive lost connections (what is unsettled comes again) and do not end."""

    def __aiter__(self) -> AsyncIterator[Delivery]:
        """Itself."""

    async def __anext__(self) -> Delivery:
        """The next message."""

    async def stop(self) -> None:
        """Take nothing more: what came and was not taken goes back now; what was taken can still be settled."""


class Bus(Protocol):
    """Publish with confirms, consume from shared queues, follow everything."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, in order, to every queue bound to the routing keys; returns when all are confirmed.

        Raises `Unavailable` within a bounded time; some of the messages may have got through then.
        """

    async def send(self, queue: str, message: Message) -> None:
        """Publish straight to one work queue, confirmed. Raises `Unavailable`."""

    def consume(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[Deliveries]:
        """Compete for a work queue's messages; at most `prefetch` are unsettled at once.

        Leaving the context gives unsettled messages back.
        """

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[Message | None]]:
        """Every message published, on a queue of one's own, acknowledged on receipt.

        `None` comes first, and again whenever messages may have been missed (a new connection, a reader that
        is too slow): what was published after it is followed, what was published before is in the log.
        """

    async def ping(self) -> None:
        """Raises `Unavailable` when the broker does not answer."""

    async def close(self) -> None:
        """Close connections; unsettled messages come again elsewhere."""


class DeadLetters(Protocol):
    """What no handler could take, for an operator to look at and to try again."""

    async def count(self) -> int:
        """How many there are, but for those somebody looks at in this moment. Raises `Unavailable`."""

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Look at some, about the oldest first, without removing them. Raises `Unavailable`."""

    async def replay(self, limit: int) -> int:
        """Send some, about the oldest first, back to the queues they came from, as first attempts; returns how many.

        Raises `Unavailable`; what was not sent back by then is still a dead letter.
        """
