"""Keeps what drivers forget: that the running task was told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancellation_kept() -> Iterator[None]:
    """A cancellation that comes during the block comes out of it, whatever the block made of it.

    `asyncio.wait_for`, which drivers use, forgets one when what it waits for comes at the same moment, and tells of a
    failure instead when that comes (CPython 3.11 `Lib/asyncio/tasks.py`); a loop that was told to end would go on.
    """
    asked = cancellations()
    try:
        yield
    except Exception as exc:
        if cancellations() > asked:
            raise asyncio.CancelledError from exc
        raise
    if cancellations() > asked:
        raise asyncio.CancelledError


def cancellations() -> int:
    """How often the running task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
