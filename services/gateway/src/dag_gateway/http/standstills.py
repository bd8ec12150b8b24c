"""Whether this process stood still (stopped, swapped out, starved): time that passed for others and not for us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

TICK_SECONDS: Final = 1.0


@contextmanager
def standstills(told: Callable[[float], None]) -> Iterator[None]:
    """Tell of standstills of more than a second, in seconds, before any timer that fell due meanwhile goes off.

    Timers go off in the order of their times (CPython `Lib/asyncio/base_events.py`, `_run_once`), and the one here is
    never more than a second away.
    """
    watch = _Watch(told)
    try:
        yield
    finally:
        watch.ticking.cancel()


class _Watch:
    def __init__(self, told: Callable[[float], None]) -> None:
        self._told = told
        self._loop = asyncio.get_running_loop()
        self.ticking = self._next()

    def _next(self) -> asyncio.TimerHandle:
        due = self._loop.time() + TICK_SECONDS
        return self._loop.call_at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        late = self._loop.time() - due
        if late > TICK_SECONDS:
            self._told(late)
        self.ticking = self._next()
