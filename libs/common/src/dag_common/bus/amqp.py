"""The bus on RabbitMQ 3.10 to 4.x, with nothing that needs a plugin.

Plain connections that we make again ourselves, not aio-pika's robust ones: those restore channels and
consumers behind our back, while here a lost channel must be seen (what it held comes again, what was
being published is in doubt, and a follower must be told to ask the log).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelInvalidStateError

from dag_common.bus.amqp_consumer import Standing, Subscription, subscribed
from dag_common.bus.amqp_link import Link, mapped_errors
from dag_common.bus.amqp_probe import Probe
from dag_common.bus.amqp_publisher import Publisher
from dag_common.bus.amqp_topology import SETTLE_SECONDS, Topology
from dag_common.bus.amqp_wire import attempt_of, failures_of, from_amqp, from_dead_letter, to_amqp, to_dead_letter
from dag_common.bus.inbox import Arrivals, Inbox
from dag_common.bus.seam import DeadLetter, Message
from dag_common.contracts.topology import BINDINGS, DEAD_LETTERS
from dag_common.errors import Unavailable

log = structlog.get_logger()

RETRY_LIMIT_SECONDS: Final = 300.0


@dataclass(slots=True, eq=False)
class AmqpDelivery:
    """A message in hand, and the channel it must be answered on."""

    message: Message
    attempt: int
    failures: int
    _queue: str
    _incoming: AbstractIncomingMessage
    _publisher: Publisher

    async def ack(self) -> None:
        """Done."""
        try:
            with mapped_errors():
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._incoming.ack()
        except Unavailable:
            log.info("acknowledgement_lost", queue=self._queue, message_id=self.message.id)

    async def retry(self, delay: float, *, failures: int = 0) -> None:
        """Put a copy into a waiting room, confirmed, then acknowledge the original."""
        delay = min(max(delay, 0.0), RETRY_LIMIT_SECONDS)
        copy = to_amqp(self.message, attempt=self.attempt + 1, failures=failures, expires_after=delay)
        if self._in_hand():
            await self._publisher.to_waiting_room(self._queue, copy, delay)
            await self.ack()

    async def dead_letter(self, reason: str) -> None:
        """Put a copy with the reason to the dead letters, confirmed, then acknowledge the original."""
        letter = DeadLetter(message=self.message, queue=self._queue, reason=reason, attempt=self.attempt)
        if self._in_hand():
            await self._publisher.to_queue(DEAD_LETTERS, to_dead_letter(letter))
            await self.ack()

    async def give_back(self) -> None:
        """Let somebody else have it."""
        with suppress(Unavailable), mapped_errors():
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._incoming.reject(requeue=True)

    def _in_hand(self) -> bool:
        try:
            return not self._incoming.channel.is_closed
        except ChannelInvalidStateError:
            return False


class AmqpDeliveries(Arrivals[AmqpDelivery]):
    """A work queue's messages as they come."""

    def __init__(self, standing: Standing) -> None:
        super().__init__()
        self._standing = standing

    async def stop(self) -> None:
        """Take nothing more."""
        await self._standing.stop()
        await asyncio.gather(*(delivery.give_back() for delivery in self.drop()))


class AmqpBus:
    """The bus on one broker. Connections are made when needed: a broker that is down at start is waited for in use.

    `namespace` prefixes every name, for installations that share a virtual host.
    """

    def __init__(self, url: str, *, namespace: str = "") -> None:
        """Raises `Invalid` when the URL is not one; connects to nothing yet."""
        self._topology = Topology(namespace)
        self._publisher = Publisher(url, self._topology)
        self._link = Link(url, "consumer")
        self._probe = Probe(url)

    @property
    def connected(self) -> bool:
        """Whether the connections to publish and to consume stand, as far as we know."""
        return self._link.connected and self._publisher.link.connected

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish in order, pipelined; returns when the broker has confirmed all. Raises `Unavailable`."""
        await self._publisher.to_exchange((message.routing_key, to_amqp(message)) for message in messages)

    async def send(self, queue: str, message: Message) -> None:
        """Publish straight to one work queue, confirmed. Raises `Unavailable`."""
        await self._publisher.to_queue(queue, to_amqp(message))

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int) -> AsyncIterator[AmqpDeliveries]:
        """Compete for a work queue's messages."""
        standing = Standing()
        deliveries = AmqpDeliveries(standing)

        async def prepare(channel: AbstractChannel) -> AbstractQueue:
            await channel.set_qos(prefetch, timeout=SETTLE_SECONDS)
            await self._topology.declare(channel)
            return await channel.get_queue(self._topology.name(queue), ensure=False)

        def receive(incoming: AbstractIncomingMessage) -> None:
            counts = attempt_of(incoming), failures_of(incoming)
            deliveries.put(AmqpDelivery(from_amqp(incoming), *counts, queue, incoming, self._publisher))

        async with subscribed(self._link, Subscription(queue, prepare, receive, deliveries.drop), standing):
            yield deliveries

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[Message | None]]:
        """Every message from each `None` on."""
        inbox: Inbox[Message] = Inbox()

        async def prepare(channel: AbstractChannel) -> AbstractQueue:
            queue = await self._topology.declare_feed(channel)
            inbox.missed()
            return queue

        def receive(incoming: AbstractIncomingMessage) -> None:
            inbox.put(from_amqp(incoming))

        async with subscribed(
            self._link, Subscription("feed", prepare, receive, lost=lambda: None, acknowledged=False)
        ):
            yield inbox

    async def count(self) -> int:
        """How many dead letters there are; the broker's number lags a little."""
        async with self._link.channel() as channel:
            queue = await self._topology.declare_dead_letters(channel)
            return queue.declaration_result.message_count or 0

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Look at some dead letters: fetched, and given back when the channel closes."""
        letters: list[DeadLetter] = []
        async with self._link.channel() as channel:
            async for letter, _ in self._fetch_dead_letters(channel):
                letters.append(letter)
                if len(letters) == limit:
                    break
        return letters

    async def replay(self, limit: int) -> int:
        """Send dead letters back to their queues, each confirmed before it is taken off; those of no queue stay."""
        replayed = 0
        async with self._link.channel() as channel:
            async for letter, incoming in self._fetch_dead_letters(channel):
                if letter.queue not in BINDINGS:
                    log.warning("dead_letter_left", queue=letter.queue, message_id=letter.message.id)
                    continue
                await self.send(letter.queue, letter.message)
                await incoming.ack()
                replayed += 1
                if replayed == limit:
                    break
        return replayed

    async def ping(self) -> None:
        """Raises `Unavailable` when the broker cannot be published to."""
        await self._probe.ping()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(self._publisher.close(), self._link.close(), self._probe.close())

    async def _fetch_dead_letters(
        self, channel: AbstractChannel
    ) -> AsyncIterator[tuple[DeadLetter, AbstractIncomingMessage]]:
        queue = await self._topology.declare_dead_letters(channel)
        while (incoming := await queue.get(fail=False, timeout=SETTLE_SECONDS)) is not None:
            yield from_dead_letter(incoming, self._topology), incoming
