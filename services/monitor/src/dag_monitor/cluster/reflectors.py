"""The reflectors of one cluster, shared: as many watches as there are different queries, however many readers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dag_monitor.cluster.pace import Pace
from dag_monitor.cluster.reflector import Collections, Condition, Reflector
from dag_monitor.cluster.resources import Query

_LINGER_SECONDS = 30.0


@dataclass(slots=True)
class _Shared:
    reflector: Reflector
    running: asyncio.Task[None]
    readers: int = 0
    stop: asyncio.TimerHandle | None = None


class Reflectors:
    """Starts a reflector for its first reader and stops it a while after the last one left (`linger` seconds).

    Lingering spares a list when the next deployment of the same namespace comes soon.
    """

    def __init__(self, source: Collections, *, pace: Pace | None = None, linger: float = _LINGER_SECONDS) -> None:
        self._source, self._pace, self._linger = source, pace or Pace(), linger
        self._shared: dict[Query, _Shared] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def reflect(self, query: Query) -> AsyncIterator[Reflector]:
        """The running reflector of a query; it may not be synced yet."""
        shared = self._acquire(query)
        try:
            yield shared.reflector
        finally:
            self._release(query, shared)

    def conditions(self) -> dict[Query, Condition]:
        """How each running reflector is doing, for health pages."""
        return {query: shared.reflector.condition for query, shared in self._shared.items()}

    async def aclose(self) -> None:
        """Stop them all and wait until they have let go of their connections."""
        for query in list(self._shared):
            self._end(query)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _acquire(self, query: Query) -> _Shared:
        shared = self._shared.get(query)
        if shared is None:
            reflector = Reflector(self._source, query, self._pace)
            running = asyncio.create_task(reflector.run(), name=f"reflect {query}")
            shared = self._shared[query] = _Shared(reflector, running)
        if shared.stop is not None:
            shared.stop.cancel()
            shared.stop = None
        shared.readers += 1
        return shared

    def _release(self, query: Query, shared: _Shared) -> None:
        shared.readers -= 1
        if not shared.readers and self._shared.get(query) is shared:
            shared.stop = asyncio.get_running_loop().call_later(self._linger, self._end, query)

    def _end(self, query: Query) -> None:
        shared = self._shared.pop(query)
        if shared.stop is not None:
            shared.stop.cancel()
        shared.running.cancel()
        self._ending.add(shared.running)
        shared.running.add_done_callback(self._ending.discard)
