"""What is read once in the background, for readers that must not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from dag_common.errors import DagError, Invalid, Refused, Unavailable
from dag_common.runtime import clock, ids
from dag_monitor.cluster.pace import Backoff, Pace

_log: Final = structlog.get_logger()
_SECONDS: Final = 30.0
_KEPT: Final = 2_000


@dataclass(slots=True, eq=False)
class Reading:
    """What is known of one thing: its `value`, or in `trouble` why it could not be read, or neither yet.

    `since` is when the value was read, on the monotonic clock.
    """

    backoff: Backoff
    value: Any = None
    since: float = 0.0
    trouble: str = ""
    due: bool = True
    running: asyncio.Task[None] | None = None
    waiting: set[asyncio.Event] = field(default_factory=set)

    def wake(self) -> None:
        """Make everybody who waits look again."""
        for changed in self.waiting:
            changed.set()
        self.waiting.clear()


class Readings:
    """Reads each thing once, however many ask for it, and keeps the values that were asked for last.

    A read that failed is repeated after a backoff, but only if somebody still asks: nothing is read for nobody.
    A read may take 30 seconds.
    """

    def __init__(self, pace: Pace | None = None, *, kept: int = _KEPT) -> None:
        self._pace = pace or Pace()
        self._kept = kept
        self._readings: dict[Hashable, Reading] = {}
        self._running: set[asyncio.Task[None]] = set()

    def get(self, key: Hashable, read: Callable[[], Awaitable[Any]], changed: asyncio.Event) -> Reading:
        """What is known of the thing that `read` reads; `changed` is set when more is known, or is to be asked for."""
        reading = self._readings.pop(key, None) or Reading(Backoff(self._pace.backoff_low, self._pace.backoff_high))
        self._readings[key] = reading
        self._forget_oldest()
        if reading.value is None:
            reading.waiting.add(changed)
            if reading.due and reading.running is None:
                self._start(reading, read)
        return reading

    def forget(self, key: Hashable) -> None:
        """Have the thing read again when somebody asks."""
        self._readings.pop(key, None)

    async def aclose(self) -> None:
        """Stop what is being read."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _forget_oldest(self) -> None:
        while len(self._readings) > self._kept:
            oldest = self._readings.pop(next(iter(self._readings)))
            if oldest.running is not None:
                oldest.running.cancel()

    def _start(self, reading: Reading, read: Callable[[], Awaitable[Any]]) -> None:
        running = reading.running = asyncio.create_task(self._run(reading, read), name="reading")
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run(self, reading: Reading, read: Callable[[], Awaitable[Any]]) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                reading.value, reading.trouble = await read(), ""
            reading.since = clock.monotonic()
        except TimeoutError:
            self._failed(reading, Unavailable(f"it could not be read within {_SECONDS:.0f} seconds", retry_after=0))
        except DagError as exc:
            self._failed(reading, exc)
        except Exception as exc:  # noqa: BLE001  whatever it is, a thing that is never read again would be worse
            _log.exception("reading_failed")
            self._failed(reading, Unavailable(f"DAG met an error of its own ({type(exc).__name__})", retry_after=0))
        finally:
            reading.running = None
            reading.wake()

    def _failed(self, reading: Reading, exc: DagError) -> None:
        reading.trouble, reading.due = exc.message, False
        asyncio.get_running_loop().call_later(self._wait(reading, exc), self._fall_due, reading)

    def _wait(self, reading: Reading, exc: DagError) -> float:
        if isinstance(exc, Refused | Invalid):
            return ids.jitter(self._pace.refused)
        asked = exc.retry_after if isinstance(exc, Unavailable) else 0.0
        return max(asked, reading.backoff.next())

    def _fall_due(self, reading: Reading) -> None:
        reading.due = True
        reading.wake()
