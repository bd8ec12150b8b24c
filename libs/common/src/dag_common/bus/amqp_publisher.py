"""Publishing with confirms: many in flight, all confirmed or `Unavailable`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange

from dag_common.bus.amqp_link import Link, mapped_errors
from dag_common.bus.amqp_topology import Topology
from dag_common.bus.shared import Shared

CONFIRM_SECONDS: Final = 10.0
"""How long a batch may take to be confirmed; a broker under a memory or disk alarm never answers."""


class Publisher:
    """One confirming channel on a connection of its own: an alarm that stops publishing must not stop acknowledging."""

    def __init__(self, url: str, topology: Topology) -> None:
        self.link = Link(url, "publisher")
        self._topology = topology
        self._opening = Shared(self._open)
        self._opened: tuple[AbstractChannel, AbstractExchange] | None = None

    async def to_exchange(self, messages: Iterable[tuple[str, aio_pika.Message]]) -> None:
        """Publish (routing key, message) in order; nobody need be bound to a key."""
        _, exchange = await self._ready()
        await self._confirmed(exchange.publish(message, key, mandatory=False) for key, message in messages)

    async def to_queue(self, plain: str, message: aio_pika.Message) -> None:
        """Publish straight to a queue of the topology."""
        channel, _ = await self._ready()
        await self._put(channel, self._topology.name(plain), message)

    async def to_waiting_room(self, plain: str, message: aio_pika.Message, delay: float) -> None:
        """Publish so that the message comes to the queue after about `delay` seconds.

        The room is declared on a channel of its own: a refusal closes the channel, and what others publish with it.
        """
        channel, _ = await self._ready()
        async with self.link.channel() as own:
            room = await self._topology.declare_waiting_room(own, plain, delay)
        await self._put(channel, room, message)

    async def close(self) -> None:
        """Close the connection and its channel."""
        self._opening.give_up()
        await self.link.close()

    async def _put(self, channel: AbstractChannel, name: str, message: aio_pika.Message) -> None:
        await self._confirmed([channel.default_exchange.publish(message, name, mandatory=True)])

    async def _confirmed(self, publishing: Iterable[Awaitable[object]]) -> None:
        with mapped_errors():
            try:
                async with asyncio.timeout(CONFIRM_SECONDS):
                    answers = await asyncio.gather(*publishing, return_exceptions=True)
            except TimeoutError:
                self.link.drop()
                raise
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer

    async def _ready(self) -> tuple[AbstractChannel, AbstractExchange]:
        if self._opened is not None and not self._opened[0].is_closed:
            return self._opened
        with mapped_errors():
            return await self._opening.outcome()

    async def _open(self) -> tuple[AbstractChannel, AbstractExchange]:
        channel = await self.link.open_channel(confirms=True)
        try:
            with mapped_errors():
                self._opened = channel, await self._topology.declare(channel)
        except BaseException:
            self.link.drop()
            raise
        return self._opened
