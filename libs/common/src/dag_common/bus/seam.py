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


class Delivery(Protocol):
    """A message in hand. Exactly one of the three is called, once; a delivery dropped unsettled comes again."""

    message: Message
    attempt: int
    """1 for the first delivery; counts redeliveries and retries."""

    async def ack(self) -> None:
        """Done: the message is gone."""

    async def retry(self, delay: float) -> None:
        """Not now: the message comes again after about `delay` seconds."""

    async def dead_letter(self, reason: str) -> None:
        """Cannot be handled: the message goes to the dead letters with the reason."""


class Bus(Protocol):
    """Publish with confirms, consume from shared queues, follow everything."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish to every queue bound to the routing keys; returns when all are confirmed. Raises `Unavailable`."""

    async def send(self, queue: str, message: Message) -> None:
        """Publish straight to one work queue, confirmed. Raises `Unavailable`."""

    def consume(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Compete for a work queue's messages; at most `prefetch` are unsettled at once.

        The iterator survives lost connections (unsettled messages come again) and ends when the context is
        left. Leaving it gives unsettled messages back.
        """

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[Message | None]]:
        """Every message published from now on, on a queue of one's own, acknowledged on receipt.

        `None` is handed out after a reconnection: messages may have been missed, ask the log.
        """

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Look at the oldest dead letters without removing them."""

    async def close(self) -> None:
        """Close connections; unsettled messages come again elsewhere."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message no handler could take: which queue it was for and why it was set aside."""

    message: Message
    queue: str
    reason: str
