"""One attempt at a time, whatever number of callers wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Outcome = TypeVar("Outcome")


class Shared(Generic[Outcome]):
    """Callers share the outcome, also a failure: nobody queues up to find out the same thing again, timeout by timeout.

    A caller that is cancelled does not stop the attempt for the others.
    """

    def __init__(self, attempt: Callable[[], Coroutine[Any, Any, Outcome]]) -> None:
        self._attempt = attempt
        self._running: asyncio.Task[Outcome] | None = None

    async def outcome(self) -> Outcome:
        """What the attempt that is under way comes to, or else a new one."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._attempt())
            self._running.add_done_callback(_heard)
        return await asyncio.shield(self._running)

    def give_up(self) -> None:
        """Cancel the attempt under way, if there is one; the next caller begins anew."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()


def _heard(task: asyncio.Task[Any]) -> None:
    """Every caller may have left before it failed; that is nobody's fault to log."""
    if not task.cancelled():
        task.exception()
