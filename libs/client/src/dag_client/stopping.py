"""What ends a wait from outside: Ctrl-C, and the SIGTERM of a CI system that cancels a job."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from dag_client.errors import Stopped

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(message: str) -> Iterator[None]:
    """A signal ends what the current task awaits inside: `Stopped` with `message`, once everything is tidied up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[int] = []
    inside = True

    def cancel() -> None:
        if inside and task is not None:
            task.cancel()

    def stop(number: int, _frame: Any) -> None:
        received.append(number)
        loop.call_soon_threadsafe(cancel)

    with ExitStack() as before:
        for number in SIGNALS:
            before.callback(signal.signal, number, signal.signal(number, stop))
        try:
            yield
        except asyncio.CancelledError as error:
            if not received:
                raise
            raise Stopped(message, received[0]) from error
        finally:
            inside = False
