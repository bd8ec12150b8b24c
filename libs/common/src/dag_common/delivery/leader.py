"""One at a time over all processes: whoever holds the lock works, the others stand by."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from dag_common.store.database import Database
from dag_common.store.locks import wait_for_lock

log = structlog.get_logger()

STAND_BY_SECONDS: Final = 2.0
"""How often one who stands by tries the lock: at worst this long nobody works after the leader died."""


async def lead(database: Database, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait for the named lock, then do `work` until it ends, raises, or the lock is lost.

    `work` is cancelled at once when the connection that holds the lock is gone; whatever it does must
    therefore be safe to do twice. Raises `Unavailable` when Postgres cannot be asked or the lock was lost.
    """
    async with wait_for_lock(database, name, every=STAND_BY_SECONDS) as lock:
        log.info("leading", lock=name)
        await lock.guard(work())
