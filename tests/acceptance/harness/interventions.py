"""What operators, failovers and the passing of time do to the servers DAG stands on."""

from __future__ import annotations

import aio_pika
import asyncpg

FIND = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dag%'"
END = "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid"


async def cut_connections(database_url: str) -> int:
    """Postgres ends every connection that any DAG process has to this database; returns how many."""
    return sum(row[0] for row in await _fetch(database_url, END, await _pids(database_url)))


async def sessions(database_url: str) -> int:
    """How many connections DAG processes have to this database."""
    return len(await _pids(database_url))


async def purge_queue(amqp_url: str, queue: str) -> int:
    """An operator empties a queue; returns how many messages are gone."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        declared = await channel.get_queue(queue, ensure=False)
        return (await declared.purge()).message_count or 0


async def waiting_in(amqp_url: str, queue: str) -> int:
    """How many messages of a queue nobody has in hand."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


async def _pids(database_url: str) -> list[int]:
    return [row["pid"] for row in await _fetch(database_url, FIND)]


async def _fetch(database_url: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetch(sql, *arguments)
    finally:
        await connection.close()
