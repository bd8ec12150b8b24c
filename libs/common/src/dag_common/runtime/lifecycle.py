"""How a process lives: it runs until told to stop, keeps its loops going through outages, and drains within a bound."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

import structlog
import uvloop

from dag_common.errors import DagError, Unavailable
from dag_common.runtime.clock import monotonic
from dag_common.runtime.ids import jitter

log = structlog.get_logger()

BACKOFF_CAP_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
"""A loop that ran this long starts its backoff anew."""

LETTING_GO_SECONDS = 2.0
"""After a second signal, whatever does not let go in this time is left as it is."""

INTERRUPTED = 130
"""The exit code of a process that did not finish what was in hand."""


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `main(stop)`; SIGTERM and SIGINT set `stop`, a second one ends the process at once. Returns the exit code.

    A `DagError` on the way up is told in its own words, without a traceback; what is `Unavailable` to a process that
    was told to stop is no failure.
    """
    try:
        uvloop.run(_main(main))
    except DagError as exc:
        log.error("start_failed", reason=exc.message)  # noqa: TRY400 - a refusal to start needs no traceback
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    return 0


async def _main(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        log.info("stop_requested", again=stop.is_set())
        if stop.is_set() and task is not None:
            task.cancel()
            loop.call_later(LETTING_GO_SECONDS, leave, INTERRUPTED)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        await main(stop)
    except Unavailable as exc:
        if not stop.is_set():
            raise
        log.warning("stopped_without", reason=exc.message)


def leave(code: int) -> NoReturn:
    """End the process whatever its threads do: one that waits in a C library for a silent server cannot be stopped."""
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit leaves them out, and they tidy up
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def backoff(attempt: int, *, first: float = 0.5, cap: float = BACKOFF_CAP_SECONDS) -> float:
    """Seconds to wait before attempt `attempt + 1`: doubling from `first`, capped, jittered."""
    return jitter(min(cap, first * 2 ** min(attempt - 1, 16)))


async def keep_running(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop for ever: when it ends or raises, say so and start it again after a backoff.

    Nothing is swallowed: each failure is one log line, an unexpected one with its traceback.
    """
    attempt = 0
    while True:
        started = monotonic()
        try:
            await loop()
            log.debug("loop_ended", loop=name)
        except Unavailable as exc:
            log.warning("loop_interrupted", loop=name, reason=exc.message)
        except Exception:
            log.exception("loop_failed", loop=name)
        attempt = 1 if monotonic() - started > HEALTHY_SECONDS else attempt + 1
        await asyncio.sleep(backoff(attempt))


@asynccontextmanager
async def background(**loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep the named loops running for the block; on the way out they are cancelled and awaited."""
    tasks = [asyncio.create_task(keep_running(name, loop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
