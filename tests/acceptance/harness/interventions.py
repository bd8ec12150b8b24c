"""What operators, failovers and the passing of time do to the servers DAG stands on."""

from __future__ import annotations

import aio_pika
import asyncpg


async def cut_connections(database_url: str) -> int:
    """Postgres ends every connection that any DAG process has to this database; returns how many."""
    ended = await _fetch(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'dag%'",
    )
    return len(ended)


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


async def _fetch(database_url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()
