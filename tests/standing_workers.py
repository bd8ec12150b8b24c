"""Workers that stand still before each of their effects until they are let go on: any interleaving, on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

_WORKING: ContextVar[Worker] = ContextVar("worker")


class Worker:
    """One handler at work. Whoever never lets it go on has killed it; whoever does so late has woken a frozen one."""

    def __init__(self, kind: str, work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> None:
        self.kind = kind
        self.before = ""
        self._waiting: list[asyncio.Future[str]] = []
        self._resting = asyncio.Event()
        self._loop = loop
        self.task = loop.create_task(self._work(work))
        self._settle()

    @property
    def done(self) -> bool:
        return self.task.done()

    def go_on(self, fault: str = "") -> None:
        """Let it do what it stands before, with this fault, and go on until it stands again."""
        self._resting.clear()
        self._waiting.pop(0).set_result(fault)
        self._settle()

    async def stand(self, before: str) -> str:
        self.before = before
        self._waiting.append(self._loop.create_future())
        self._resting.set()
        return await self._waiting[-1]

    async def _work(self, work: Coroutine[Any, Any, Any]) -> None:
        _WORKING.set(self)
        try:
            await work
        finally:
            self._resting.set()

    def _settle(self) -> None:
        self._loop.run_until_complete(asyncio.wait_for(self._resting.wait(), 20))
        if not self._waiting:
            self._loop.run_until_complete(asyncio.wait([self.task]))
            self.task.result()


async def gate(before: str) -> str:
    """Stand still; what is told then is the fault that strikes."""
    return await _WORKING.get().stand(before)


class Clock:
    """The time all of DAG reads. It moves when somebody says so, also backwards."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
        self.elapsed = 0.0

    def now(self, _zone: tzinfo) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.elapsed

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.elapsed += max(0.0, seconds)
