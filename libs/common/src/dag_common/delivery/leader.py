"""One at a time over all processes: whoever holds the lock works, the others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from dag_common.errors import Unavailable
from dag_common.store.database import Database
from dag_common.store.locks import Lock, wait_for_lock

log = structlog.get_logger()

STAND_BY_SECONDS: Final = 2.0
"""How often one who stands by tries the lock: at worst this long nobody works after the leader died."""


async def lead(database: Database, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Wait for the named lock, then do `work` until it ends, raises, or the lock is lost.

    `work` is cancelled at once when the connection that holds the lock is gone; whatever it does must
    therefore be safe to do twice. Raises `Unavailable` when Postgres cannot be asked or the lock was lost.
    """
    async with wait_for_lock(database, name, every=STAND_BY_SECONDS) as lock:
        log.info("leading", lock=name)
        await _until_lost(lock, work)


async def _until_lost(lock: Lock, work: Callable[[], Awaitable[None]]) -> None:
    working = asyncio.ensure_future(work())
    losing = asyncio.create_task(lock.lost.wait())
    try:
        await asyncio.wait((working, losing), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        else:
            raise Unavailable(f"the lock {lock.name} was lost")
    finally:
        for task in (working, losing):
            task.cancel()
        await asyncio.gather(working, losing, return_exceptions=True)
