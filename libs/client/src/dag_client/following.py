"""A deployment's stream without gaps: lost connections are opened again where they broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from dag_client.clock import pause
from dag_client.gateway import Interrupted, Update

SILENCE_SECONDS = 30.0
"""A stream that is silent for so long is lost: the gateway sends a heartbeat every 15 s."""

ENDS = frozenset({"deployed", "failed"})


class Stream(Protocol):
    """Where events come from."""

    def events(self, deployment_id: str, after: str) -> AsyncGenerator[Update, None]:
        """The events after the one with id `after`, over one connection; raises `Interrupted` when it breaks."""


async def follow(stream: Stream, deployment_id: str, notice: Callable[[str], None]) -> AsyncGenerator[Update, None]:
    """Every update up to the one that ends the deployment, which is the last; how long to wait is up to the caller."""
    async with aclosing(_endless(stream, deployment_id, notice)) as updates:
        async for update in updates:
            yield update
            if update.type == "status" and update.data.get("status") in ENDS:
                return


async def _endless(stream: Stream, deployment_id: str, notice: Callable[[str], None]) -> AsyncGenerator[Update, None]:
    last, attempt, told = "", 0, None
    while True:
        attempt += 1
        try:
            async with aclosing(_connection(stream, deployment_id, last)) as updates:
                async for update in updates:
                    attempt, last, told = 1, update.id or last, update.retry or told
                    yield update
        except Interrupted as error:
            notice(f"{error} Connecting again.")
        await asyncio.sleep(max(told or 0.0, pause(attempt)))


async def _connection(stream: Stream, deployment_id: str, after: str) -> AsyncGenerator[Update, None]:
    async with aclosing(stream.events(deployment_id, after)) as updates:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    update = await anext(updates)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise Interrupted(f"Nothing was heard for {SILENCE_SECONDS:.0f} s.") from error
            yield update
