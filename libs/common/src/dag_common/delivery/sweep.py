"""The slow guarantee behind every wake-up: look again, now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dag_common.runtime.ids import jitter


async def sweep(work: Callable[[], Awaitable[None]], *, every: float, drain_seconds: float = 0.0) -> None:
    """Do `work` now and then again and again, after `every` seconds at most and half of that at least.

    The jitter keeps replicas that started together from sweeping together. What `work` raises ends the sweep.
    When the sweep is cancelled, `work` under way gets `drain_seconds` to end.
    """
    while True:
        await _finished(work, drain_seconds)
        await asyncio.sleep(jitter(every))


async def _finished(work: Callable[[], Awaitable[None]], drain_seconds: float) -> None:
    working = asyncio.ensure_future(work())
    try:
        await asyncio.shield(working)
    finally:
        await asyncio.wait((working,), timeout=drain_seconds)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
