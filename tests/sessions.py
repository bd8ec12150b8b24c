"""What becomes of a session when somebody else ends it."""

from __future__ import annotations

import asyncpg


async def end_sessions(url: str, lock: str) -> None:
    """End the Postgres session that holds the lock, as an administrator or a failover would."""
    connection = await asyncpg.connect(url)
    ended = await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)",
        lock,
    )
    await connection.close()
    assert len(ended) == 1
