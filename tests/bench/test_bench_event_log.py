"""What an append costs: one at a time, by many writers, in batches."""

from __future__ import annotations

import asyncio
import time

from examples import REQUESTED, fresh_id, new
from rich.console import Console
from rich.table import Table

from dag_common.store import event_log
from dag_common.store.database import Database

SECONDS = 2.0


async def appends_a_second(database: Database, *, writers: int, batch: int) -> float:
    count, end = 0, time.perf_counter() + SECONDS

    async def write() -> None:
        nonlocal count
        while time.perf_counter() < end:
            async with database.transaction() as connection:
                await event_log.append(connection, [new(fresh_id(), 1, REQUESTED) for _ in range(batch)])
            count += batch

    await asyncio.gather(*(write() for _ in range(writers)))
    return count / SECONDS


async def test_appends(database: Database) -> None:
    table = Table("writers", "batch", "events/s", "against the first row", title="appending to the event log")
    first = 0.0
    for writers, batch in ((1, 1), (8, 1), (1, 50), (8, 50)):
        rate = await appends_a_second(database, writers=writers, batch=batch)
        first = first or rate
        table.add_row(str(writers), str(batch), f"{rate:,.0f}", f"{rate / first:.1f}x")
    Console(width=100).print(table)
    assert first > 0
