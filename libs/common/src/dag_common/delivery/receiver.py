"""The receiver: hands messages to a handler and is the only one that acknowledges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from dag_common.bus.seam import Bus, Delivery, Message
from dag_common.delivery.metrics import HANDLED, HANDLING_SECONDS
from dag_common.delivery.verdict import DONE, Verdict, verdict_on
from dag_common.errors import Unavailable
from dag_common.runtime.clock import monotonic
from dag_common.runtime.lifecycle import backoff

log = structlog.get_logger()

Handler = Callable[[Message], Awaitable[None]]
"""Returns when the message is dealt with and everything is committed; raises otherwise (see `verdict`)."""

DRAIN_SECONDS: Final = 10.0


class Receiver:
    """Competes for one queue's messages, at most `concurrency` in hand at once.

    When `run` is cancelled, handlers at work get `drain_seconds` to end; what is left then goes back to the queue.
    """

    def __init__(
        self, bus: Bus, queue: str, handler: Handler, *, concurrency: int, drain_seconds: float = DRAIN_SECONDS
    ) -> None:
        self._bus = bus
        self._queue = queue
        self._handler = handler
        self._concurrency = concurrency
        self._drain_seconds = drain_seconds

    async def run(self) -> None:
        """Receive until cancelled."""
        in_hand: set[asyncio.Task[None]] = set()
        async with self._bus.consume(self._queue, prefetch=self._concurrency) as deliveries:
            try:
                async for delivery in deliveries:
                    task = asyncio.create_task(self._receive(delivery), name=f"handle {delivery.message.id}")
                    in_hand.add(task)
                    task.add_done_callback(in_hand.discard)
            finally:
                await deliveries.stop()
                await self._drain(in_hand)

    async def _drain(self, in_hand: set[asyncio.Task[None]]) -> None:
        if not in_hand:
            return
        try:
            await asyncio.wait(in_hand, timeout=self._drain_seconds)
        finally:
            late = set(in_hand)
            for task in late:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        log.info("receiver_drained", queue=self._queue, given_back=len(late))

    async def _receive(self, delivery: Delivery) -> None:
        """One message, one canonical log line."""
        message, started = delivery.message, monotonic()
        structlog.contextvars.bind_contextvars(message_id=message.id, traceparent=message.traceparent)
        verdict = await self._handle(delivery)
        seconds = monotonic() - started
        await self._settle(delivery, verdict)
        HANDLED.labels(self._queue, message.routing_key, verdict.outcome).inc()
        HANDLING_SECONDS.labels(self._queue, message.routing_key).observe(seconds)
        log.log(
            verdict.level,
            "message_handled",
            queue=self._queue,
            type=message.routing_key,
            attempt=delivery.attempt,
            outcome=verdict.outcome,
            seconds=round(seconds, 4),
            **verdict.fields(),
        )

    async def _handle(self, delivery: Delivery) -> Verdict:
        try:
            await self._handler(delivery.message)
        except Exception as exc:  # noqa: BLE001 - the one place where what went wrong decides what becomes of a message
            return verdict_on(exc, delivery.attempt, delivery.failures)
        return DONE

    async def _settle(self, delivery: Delivery, verdict: Verdict) -> None:
        """Settle, trying again for as long as the broker does not take it; a lost connection ends that by itself."""
        attempt = 0
        while True:
            try:
                await verdict.settle(delivery)
            except Unavailable as exc:
                attempt += 1
                log.warning("settlement_postponed", queue=self._queue, outcome=verdict.outcome, reason=exc.message)
                await asyncio.sleep(backoff(attempt))
            else:
                return
