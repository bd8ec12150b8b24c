"""How far each cursor over the log has come."""

from __future__ import annotations

from dag_common.store.database import Connection
from dag_common.store.statements import statement


async def read(connection: Connection, name: str) -> int:
    """The position a cursor has dealt with; 0 before it began."""
    return await connection.fetchval(statement("read_checkpoint"), name) or 0


async def advance(connection: Connection, name: str, *, expected: int, to: int) -> bool:
    """Move a cursor if it still stands at `expected`; False means another one moved it: stop and read again."""
    return await connection.fetchval(statement("advance_checkpoint"), name, expected, to) is not None


async def reset(connection: Connection, name: str) -> None:
    """Put a cursor back to the start of the log."""
    await connection.execute(statement("reset_checkpoint"), name)
