"""What is read in the background: once for all, again after a failure, and never for nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conditions import until
from structlog.testing import capture_logs

from dag_common.errors import DagError, Invalid, Refused, Unavailable
from dag_monitor.cluster.pace import Pace
from dag_monitor.cluster.readings import Readings

HASTE = Pace(backoff_low=0.001, backoff_high=0.01, refused=0.01)
NEVER = Pace(backoff_low=3600, backoff_high=3600, refused=7200)


class Thing:
    """Something to read; `errors` come first."""

    def __init__(self, *errors: Exception) -> None:
        self.reads, self._errors = 0, list(errors)
        self.held = asyncio.Event()
        self.held.set()

    async def read(self) -> str:
        self.reads += 1
        await self.held.wait()
        if self._errors:
            raise self._errors.pop(0)
        return f"value {self.reads}"


@contextlib.asynccontextmanager
async def reading(pace: Pace = HASTE, **more: Any) -> AsyncIterator[Readings]:
    readings = Readings(pace, **more)
    yield readings
    await readings.aclose()


async def asked(readings: Readings, key: str, thing: Thing) -> str:
    """Ask as a window does: whenever it is woken, until there is a value."""
    changed = asyncio.Event()
    async with asyncio.timeout(20):
        while (known := readings.get(key, thing.read, changed)).value is None:
            await changed.wait()
            changed.clear()
    return str(known.value)


async def test_a_thing_is_read_once_for_all_who_ask() -> None:
    thing = Thing()
    async with reading() as readings:
        values = await asyncio.gather(*(asked(readings, "a", thing) for _ in range(50)))
        assert (set(values), thing.reads) == ({"value 1"}, 1)
        assert await asked(readings, "a", thing) == "value 1"


@pytest.mark.parametrize("error", [Unavailable("down", retry_after=0), Refused("Forbidden", "no"), Invalid("odd")])
async def test_a_failure_is_told_and_read_again_as_long_as_somebody_asks(error: DagError) -> None:
    thing = Thing(error, error)
    async with reading() as readings:
        changed = asyncio.Event()
        readings.get("a", thing.read, changed)
        await asyncio.wait_for(changed.wait(), 20)
        assert readings.get("a", thing.read, changed).trouble == error.message
        assert await asked(readings, "a", thing) == "value 3"


async def test_nothing_is_read_for_nobody() -> None:
    thing, changed = Thing(Unavailable("down", retry_after=0)), asyncio.Event()
    async with reading() as readings:
        first = readings.get("a", thing.read, changed)
        await until(lambda: first.trouble and first.due)
        assert (thing.reads, first.running) == (1, None)


async def test_asking_again_does_not_hurry_what_failed() -> None:
    thing, changed = Thing(Unavailable("down", retry_after=0)), asyncio.Event()
    async with reading(NEVER) as readings:
        readings.get("a", thing.read, changed)
        await asyncio.wait_for(changed.wait(), 20)
        assert [readings.get("a", thing.read, changed).running for _ in range(10)] == [None] * 10
        assert thing.reads == 1


async def test_an_error_of_our_own_is_logged_and_told_by_its_type() -> None:
    thing, changed = Thing(KeyError("token=hunter2")), asyncio.Event()
    async with reading() as readings:
        with capture_logs() as logs:
            readings.get("a", thing.read, changed)
            await asyncio.wait_for(changed.wait(), 20)
        known = readings.get("a", thing.read, changed)
        assert [line["event"] for line in logs] == ["reading_failed"]
        assert "KeyError" in known.trouble
        assert "hunter2" not in known.trouble
        assert await asked(readings, "a", thing) == "value 2"


async def test_only_what_was_asked_for_last_is_kept() -> None:
    thing = Thing()
    async with reading(kept=2) as readings:
        for key in ("a", "b", "a", "c"):
            await asked(readings, key, thing)
        assert thing.reads == 3
        assert await asked(readings, "a", thing) == "value 1"
        assert await asked(readings, "b", thing) == "value 4"


async def test_a_read_that_was_forgotten_or_closed_over_is_stopped() -> None:
    thing, changed = Thing(), asyncio.Event()
    thing.held.clear()
    async with reading(kept=1) as readings:
        first = readings.get("a", thing.read, changed)
        await until(lambda: thing.reads == 1)
        second = readings.get("b", thing.read, changed)
        await until(lambda: thing.reads == 2 and first.running is None)
    assert (first.value, second.value, second.running) == (None, None, None)


async def test_what_takes_too_long_is_given_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dag_monitor.cluster.readings._SECONDS", 0.01)
    thing, changed = Thing(), asyncio.Event()
    thing.held.clear()
    async with reading(NEVER) as readings:
        readings.get("a", thing.read, changed)
        await asyncio.wait_for(changed.wait(), 20)
        assert "could not be read within" in readings.get("a", thing.read, changed).trouble
