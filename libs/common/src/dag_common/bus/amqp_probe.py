"""Whether the broker confirms what is published: found out by publishing nothing to nobody."""

from __future__ import annotations

from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel

from dag_common.bus.amqp_link import Link, mapped_errors

NOBODY: Final = "dag.nobody"
"""No queue has this name: the broker confirms the message and drops it (rabbitmq-website `docs/confirms.md`)."""


class Probe:
    """Asks on a connection of its own, a new one after each failure: one that hangs says nothing of the next.

    A broker under an alarm takes connections and confirms nothing, so an open connection is not an answer.
    """

    def __init__(self, url: str) -> None:
        self._link = Link(url, "pulse")
        self._channel: AbstractChannel | None = None

    async def ping(self) -> None:
        """Raises `Unavailable` when the broker cannot be published to; how long that may take is the caller's."""
        try:
            if self._channel is None:
                self._channel = await self._link.open_channel(confirms=True)
            with mapped_errors():
                await self._channel.default_exchange.publish(aio_pika.Message(b""), NOBODY, mandatory=False)
        except BaseException:
            self._channel = None
            self._link.drop()
            raise

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()
