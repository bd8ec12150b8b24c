"""Session advisory locks: who drains a lane, who relays. The lock lives and dies with a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from dag_common.store.database import Database, mapped_errors
from dag_common.store.statements import statement

PROBE_SECONDS = 2.0
"""How often a held lock's connection is asked whether it still lives: a silent network would not tell."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock in hand. `lost` is set as soon as its connection is gone: stop then, somebody else may hold it."""

    name: str
    lost: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def try_lock(database: Database, name: str) -> AsyncIterator[Lock | None]:
    """Take the named lock if it is free, hold it for the block; `None` if somebody else has it.

    Needs a session of its own: behind a transaction-pooling proxy, session locks do not work.
    """
    async with database.dedicated() as connection:
        with mapped_errors():
            taken = await connection.fetchval(statement("try_lock"), name)
        if not taken:
            yield None
            return
        lock = Lock(name)
        connection.add_termination_listener(lambda _: lock.lost.set())
        probe = asyncio.create_task(_probe(connection, lock), name=f"probe {name}")
        try:
            yield lock
        finally:
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)


async def _probe(connection: asyncpg.Connection[asyncpg.Record], lock: Lock) -> None:
    try:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await connection.execute("", timeout=PROBE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        lock.lost.set()
