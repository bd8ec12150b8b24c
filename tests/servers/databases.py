"""A database per test, cloned from a template that is migrated once per schema."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from dag_common.store.migrate import migrate, migrations

_ONE_AT_A_TIME = 0x_DA6_7E57


@asynccontextmanager
async def fresh_database(server: str) -> AsyncIterator[str]:
    """The URL of a migrated, empty database that is dropped after the block, whoever is still connected."""
    async with empty_database(server, template=await template(server)) as url:
        yield url


@asynccontextmanager
async def empty_database(server: str, *, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a database that holds what the template holds, dropped after the block."""
    name = f"dag_test_{uuid.uuid4().hex}"
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield at(server, name)
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def template(server: str) -> str:
    """The name of the template for today's migrations; made if there is none, by one process at a time."""
    digest = hashlib.sha256("".join(step.sha256 for step in migrations()).encode()).hexdigest()[:12]
    name = f"dag_test_template_{digest}"
    connection = await asyncpg.connect(server, timeout=5)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _ONE_AT_A_TIME)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await _make(connection, server, name)
    finally:
        await connection.close()
    return name


async def _make(connection: asyncpg.Connection[asyncpg.Record], server: str, name: str) -> None:
    """Under another name until it is whole: who is killed half-way leaves nothing that looks like a template."""
    half = f"dag_test_half_{uuid.uuid4().hex}"
    await connection.execute(f"CREATE DATABASE {half}")
    await migrate(at(server, half))
    await connection.execute(f"ALTER DATABASE {half} RENAME TO {name}")


async def _execute(server: str, sql: str) -> None:
    connection = await asyncpg.connect(server, timeout=5)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def at(server: str, database: str) -> str:
    """The server's URL with another database."""
    assert re.fullmatch(r"[a-z0-9_]+", database)
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))
