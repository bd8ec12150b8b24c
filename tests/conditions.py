"""Waiting for what must come true, with a deadline; the only wait that cluster tests use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


async def until(met: Callable[[], Any], *, seconds: float = 20) -> None:
    """Return as soon as `met()` is true; TimeoutError if it is not within the deadline."""
    async with asyncio.timeout(seconds):
        while not met():  # noqa: ASYNC110  what is waited for is any state, not one event
            await asyncio.sleep(0.001)
