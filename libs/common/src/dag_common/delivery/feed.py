"""The feed: every record after a position, in order, without gaps, as soon as the bus brings it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import structlog

from dag_common.bus.seam import Bus, Message
from dag_common.contracts.codec import decode_record
from dag_common.contracts.envelope import Recorded
from dag_common.delivery.metrics import FEED_GAPS
from dag_common.errors import Unreadable
from dag_common.store import event_log
from dag_common.store.database import Database

log = structlog.get_logger()

BATCH: Final = 500
LOOK_SECONDS: Final = 2.0
"""After this long without a message the log is asked: a broker that is away delays the feed, it does not stop it."""


async def feed(database: Database, bus: Bus, *, after: int) -> AsyncGenerator[Recorded, None]:
    """Records with a position above `after`, each once, in order, for ever.

    Positions have no gaps, so a message that was lost shows itself: what is missing is read from the log.
    Raises `Unavailable` when the log cannot be read; go on with the last position then. It holds a queue on
    the bus until it is closed (`contextlib.aclosing`).
    """
    async with bus.follow() as messages:
        while True:
            record = await _next(messages)
            if record is None or record.position > after + 1:
                async for missed in _read(database, after):
                    after = missed.position
                    yield missed
            elif record.position == after + 1:
                after = record.position
                yield record


async def _next(messages: AsyncIterator[Message | None]) -> Recorded | None:
    """The next record the bus brings; None: ask the log."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            message = await anext(messages)
    except TimeoutError:
        return None
    try:
        return None if message is None else decode_record(message.body)
    except Unreadable as exc:
        log.warning("feed_message_unreadable", reason=exc.message)
        return None


async def _read(database: Database, after: int) -> AsyncIterator[Recorded]:
    while True:
        async with database.connection() as connection:
            records = await event_log.read_log(connection, after=after, limit=BATCH)
        if not records:
            return
        FEED_GAPS.inc()
        for record in records:
            yield record
        after = records[-1].position
