"""Wakes a reconciliation per object: one at a time each, again when woken meanwhile, and by itself when it asks so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from dag_common.errors import DagError, NotFound

Key = tuple[str, str]
"""Namespace and name."""

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one object on its way; returns after how many seconds it wants to be called again (None: when woken).

Raises `NotFound` only if the object itself is gone.
"""

_AGAIN_AFTER_ERROR: Final = 1.0
_log = structlog.get_logger(__name__)


class WorkQueue:
    """Like a controller's queue: level-triggered, so that any number of wake-ups is one, and none is lost."""

    def __init__(self, tasks: asyncio.TaskGroup, kind: str, reconcile: Reconcile) -> None:
        self._tasks = tasks
        self._kind = kind
        self._reconcile = reconcile
        self._wakers: dict[Key, asyncio.Event] = {}

    def wake(self, key: Key) -> None:
        """Have the object looked at, soon and at least once from now on."""
        if key not in self._wakers:
            self._wakers[key] = asyncio.Event()
            self._tasks.create_task(self._work(key), name=f"{self._kind} {key[0]}/{key[1]}")
        self._wakers[key].set()

    def woken(self, key: Key) -> asyncio.Event:
        """Set while the object waits to be looked at again: how a long reconciliation notices news."""
        return self._wakers[key]

    async def _work(self, key: Key) -> None:
        waker, again = self._wakers[key], None
        while True:
            await _woken_or_after(waker, again)
            waker.clear()
            try:
                again = await self._once(key)
            except NotFound:
                if not waker.is_set():  # it may have been made anew meanwhile
                    del self._wakers[key]
                    return
                again = None

    async def _once(self, key: Key) -> float | None:
        try:
            return await self._reconcile(key)
        except NotFound:
            raise
        except DagError as exc:
            _log.warning("reconciliation_failed", kind=self._kind, namespace=key[0], name=key[1], error=str(exc))
            return _AGAIN_AFTER_ERROR


async def _woken_or_after(waker: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waker.wait()
    except TimeoutError:
        return
