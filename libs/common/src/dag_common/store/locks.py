"""Session advisory locks: who drains a lane, who relays. The lock lives and dies with a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from dag_common.errors import Unavailable
from dag_common.runtime.ids import jitter
from dag_common.store.database import Database, mapped_errors
from dag_common.store.statements import statement

T = TypeVar("T")

PROBE_SECONDS = 2.0
"""How often a held lock's connection is asked whether it still lives: a silent network would not tell."""

LET_GO = {"idle_session_timeout": "8000"}
"""Milliseconds (PostgreSQL 14, `doc/src/sgml/config.sgml`) after which the server ends a session that no probe came on:
the kernel of a process that stands still keeps its connections, and with them its locks, for as long as it stands."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock in hand. `lost` is set as soon as its connection is gone: stop then, somebody else may hold it."""

    name: str
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns. The moment the lock is lost, `work` is cancelled and `Unavailable` raised."""
        working = asyncio.create_task(work)
        losing = asyncio.create_task(self.lost.wait())
        try:
            await asyncio.wait((working, losing), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Unavailable(f"the lock {self.name} was lost")
            return working.result()
        finally:
            for task in (working, losing):
                task.cancel()
            await asyncio.gather(working, losing, return_exceptions=True)


@asynccontextmanager
async def try_lock(database: Database, name: str) -> AsyncIterator[Lock | None]:
    """Take the named lock if it is free, hold it for the block; `None` if somebody else has it.

    Needs a session of its own: behind a transaction-pooling proxy, session locks do not work.
    """
    async with database.dedicated(**LET_GO) as connection:
        if await _take(connection, name):
            async with _held(connection, name) as lock:
                yield lock
        else:
            yield None


@asynccontextmanager
async def wait_for_lock(database: Database, name: str, *, every: float) -> AsyncIterator[Lock]:
    """Stand by until the named lock is free, asking about every `every` seconds on one session, then hold it.

    Raises `Unavailable` when the session is lost while standing by.
    """
    async with database.dedicated(**LET_GO) as connection:
        while not await _take(connection, name):  # noqa: ASYNC110 - Postgres tells nobody that a lock is free
            await asyncio.sleep(jitter(every))
        async with _held(connection, name) as lock:
            yield lock


async def _take(connection: asyncpg.Connection[asyncpg.Record], name: str) -> bool:
    with mapped_errors():
        return bool(await connection.fetchval(statement("try_lock"), name))


@asynccontextmanager
async def _held(connection: asyncpg.Connection[asyncpg.Record], name: str) -> AsyncIterator[Lock]:
    lock = Lock(name)
    connection.add_termination_listener(lambda _: lock.lost.set())
    probe = asyncio.create_task(_probe(connection, lock), name=f"probe {name}")
    try:
        yield lock
    finally:
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)


async def _probe(connection: asyncpg.Connection[asyncpg.Record], lock: Lock) -> None:
    """Whatever keeps the connection from answering in time means that the lock may be somebody else's by now."""
    try:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await connection.execute(statement("ping"), timeout=PROBE_SECONDS)
    finally:
        lock.lost.set()
