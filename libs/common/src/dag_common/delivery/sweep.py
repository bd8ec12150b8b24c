"""The slow guarantee behind every wake-up: look again, now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dag_common.runtime.ids import jitter


async def sweep(work: Callable[[], Awaitable[None]], *, every: float) -> None:
    """Do `work` now and then again and again, after `every` seconds at most and half of that at least.

    The jitter keeps replicas that started together from sweeping together. What `work` raises ends the sweep.
    """
    while True:
        await work()
        await asyncio.sleep(jitter(every))
