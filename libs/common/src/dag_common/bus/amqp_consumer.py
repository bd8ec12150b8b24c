"""Keeping a consumer going: subscribe, notice the loss, subscribe again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from dag_common.bus.amqp_link import Link, mapped_errors
from dag_common.bus.amqp_topology import SETTLE_SECONDS
from dag_common.errors import Unavailable
from dag_common.runtime.lifecycle import backoff

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Subscription:
    """How to get a queue ready and what to do with its messages.

    `prepare` runs on each new channel before anything is delivered; `lost` when that channel is gone.
    """

    name: str
    prepare: Callable[[AbstractChannel], Awaitable[AbstractQueue]]
    receive: Callable[[AbstractIncomingMessage], None]
    lost: Callable[[], object]
    acknowledged: bool = True
    """False: the broker counts a message as done when it is sent."""


class Standing:
    """A subscription that stands until it is stopped, or its block ends."""

    def __init__(self) -> None:
        self.stopped = False
        self._cancel: Callable[[], Awaitable[object]] | None = None

    async def stop(self) -> None:
        """Let the broker send nothing more. The channel stays, so that messages in hand can be answered."""
        self.stopped = True
        if self._cancel is not None:
            with suppress(Unavailable), mapped_errors():
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._cancel()

    async def started(self, cancel: Callable[[], Awaitable[object]]) -> None:
        """Remember how to cancel the consumer that just started."""
        self._cancel = cancel
        if self.stopped:
            await self.stop()


@asynccontextmanager
async def subscribed(link: Link, subscription: Subscription, standing: Standing | None = None) -> AsyncIterator[None]:
    """Keep the subscription standing for the block; leaving it closes its channel, which gives messages back."""
    keeping = _keep(link, subscription, standing or Standing())
    task = asyncio.create_task(keeping, name=f"consume {subscription.name}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(link: Link, subscription: Subscription, standing: Standing) -> None:
    attempt = 0
    while not standing.stopped:
        reason = "the channel was closed"
        try:
            async with link.channel() as channel:
                with mapped_errors():
                    ended = await _consume(channel, subscription, standing)
                attempt = 0
                log.info("consumer_started", queue=subscription.name)
                await ended.wait()
        except Unavailable as exc:
            reason = exc.message
        except Exception as exc:
            reason = f"{type(exc).__name__}, which nobody foresaw"
            log.exception("consumer_failed", queue=subscription.name)
        subscription.lost()
        log.warning("consumer_interrupted", queue=subscription.name, reason=reason)
        attempt += 1
        await asyncio.sleep(backoff(attempt))


async def _consume(channel: AbstractChannel, subscription: Subscription, standing: Standing) -> asyncio.Event:
    """Start consuming; the event tells when the channel is gone or the broker cancelled us (the queue was deleted)."""
    ended = asyncio.Event()

    async def receive(incoming: AbstractIncomingMessage) -> None:
        subscription.receive(incoming)

    channel.close_callbacks.add(lambda *_: ended.set())
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: ended.set())
    queue = await subscription.prepare(channel)
    tag = await queue.consume(receive, no_ack=not subscription.acknowledged)
    await standing.started(lambda: queue.cancel(tag))
    return ended
