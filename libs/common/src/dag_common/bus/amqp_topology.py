"""What stands on the broker: one exchange, the work queues, their waiting rooms, the dead letters.

Everybody declares all of it with equal arguments before using it, so the order of starting does not
matter. Quorum queues throughout: they survive the loss of a node, count deliveries, and take a TTL since
RabbitMQ 3.10 (rabbitmq-website `docs/quorum-queues.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from dag_common.contracts.topology import BINDINGS, DEAD_LETTERS, EXCHANGE, FEED_BINDING

DELIVERY_LIMIT: Final = 20
"""Deliveries that may end without an answer (a dying process) before the broker sets a message aside; 4.x's default."""

KEPT_LIMIT: Final = 2_000_000_000
"""Looking at a dead letter counts as a delivery, and 4.x drops after 20 of them unless told otherwise."""

WAITS: Final = (1, 5, 15, 60, 300)
"""Seconds a waiting room holds a message at most. A message waits its own time in the smallest room that can hold it,
but not before the one ahead of it in the same room is let go."""

FEED_LENGTH: Final = 10_000
"""Messages the broker keeps for a follower that is too slow to take them."""

SETTLE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Topology:
    """The names, with a prefix where several installations share a virtual host."""

    namespace: str = ""

    def name(self, plain: str) -> str:
        """A name as it stands on the broker."""
        return f"{self.namespace}{plain}"

    @property
    def exchange(self) -> str:
        """The exchange's name."""
        return self.name(EXCHANGE)

    def plain(self, name: str) -> str:
        """A name as the contracts have it."""
        return name.removeprefix(self.namespace)

    async def declare(self, channel: AbstractChannel) -> AbstractExchange:
        """Declare and bind everything but the waiting rooms; returns the exchange."""
        exchange = await channel.declare_exchange(
            self.exchange, ExchangeType.TOPIC, durable=True, timeout=SETTLE_SECONDS
        )
        await self.declare_dead_letters(channel)
        for plain, keys in BINDINGS.items():
            queue = await self._queue(
                channel, plain, {"x-delivery-limit": DELIVERY_LIMIT, **self._dying_into(DEAD_LETTERS)}
            )
            for key in keys:
                await queue.bind(exchange, key, timeout=SETTLE_SECONDS)
        return exchange

    async def declare_dead_letters(self, channel: AbstractChannel) -> AbstractQueue:
        """The queue of dead letters; its `declaration_result` says how many there are."""
        return await self._queue(channel, DEAD_LETTERS, {"x-delivery-limit": KEPT_LIMIT})

    async def declare_waiting_room(self, channel: AbstractChannel, plain: str, delay: float) -> str:
        """Declare the room that gives messages back to the work queue; returns its name."""
        seconds = next((wait for wait in WAITS if delay <= wait), WAITS[-1])
        arguments = {"x-message-ttl": seconds * 1000, **self._dying_into(plain)}
        return (await self._queue(channel, f"{plain}.wait-{seconds}s", arguments)).name

    async def declare_feed(self, channel: AbstractChannel) -> AbstractQueue:
        """A queue of this connection's own that takes every event and goes with the connection."""
        exchange = await self.declare(channel)
        queue = await channel.declare_queue(
            exclusive=True, auto_delete=True, arguments={"x-max-length": FEED_LENGTH}, timeout=SETTLE_SECONDS
        )
        await queue.bind(exchange, FEED_BINDING, timeout=SETTLE_SECONDS)
        return queue

    def names(self) -> list[str]:
        """Every durable queue there may be."""
        rooms = [f"{plain}.wait-{seconds}s" for plain in BINDINGS for seconds in WAITS]
        return [self.name(plain) for plain in (*BINDINGS, *rooms, DEAD_LETTERS)]

    async def _queue(self, channel: AbstractChannel, plain: str, arguments: dict[str, str | int]) -> AbstractQueue:
        return await channel.declare_queue(
            self.name(plain), durable=True, arguments={"x-queue-type": "quorum", **arguments}, timeout=SETTLE_SECONDS
        )

    def _dying_into(self, plain: str) -> dict[str, str | int]:
        """Dead-letter through the default exchange, which knows every queue by its name."""
        return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.name(plain)}
