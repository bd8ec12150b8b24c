"""Keeping a consumer going: subscribe, notice the loss, subscribe again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from dag_common.bus.amqp_link import Link
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
    lost: Callable[[], None]
    acknowledged: bool = True
    """False: the broker counts a message as done when it is sent."""


@asynccontextmanager
async def subscribed(link: Link, subscription: Subscription) -> AsyncIterator[None]:
    """Keep the subscription standing for the block; leaving it closes its channel, which gives messages back."""
    task = asyncio.create_task(_keep(link, subscription), name=f"consume {subscription.name}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(link: Link, subscription: Subscription) -> None:
    attempt = 0
    while True:
        reason = "the channel was closed"
        try:
            async with link.channel() as channel:
                ended = await _consume(channel, subscription)
                attempt = 0
                log.info("consumer_started", queue=subscription.name)
                await ended.wait()
        except Unavailable as exc:
            reason = exc.message
        subscription.lost()
        log.warning("consumer_interrupted", queue=subscription.name, reason=reason)
        attempt += 1
        await asyncio.sleep(backoff(attempt))


async def _consume(channel: AbstractChannel, subscription: Subscription) -> asyncio.Event:
    """Start consuming; the event tells when the channel is gone or the broker cancelled us (the queue was deleted)."""
    ended = asyncio.Event()

    async def receive(incoming: AbstractIncomingMessage) -> None:
        subscription.receive(incoming)

    channel.close_callbacks.add(lambda *_: ended.set())
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: ended.set())
    queue = await subscription.prepare(channel)
    await queue.consume(receive, no_ack=not subscription.acknowledged)
    return ended
