"""What a newer version of DAG may have written: records this code cannot read."""

from __future__ import annotations

import msgspec

from dag_common.contracts.envelope import NewEvent
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.statements import statement


async def append_unreadable(database: Database, event: NewEvent, **stored: object) -> None:
    """Append an event under another `type` or `schema` than its own."""
    batch = msgspec.json.encode([event_log._row(event) | stored]).decode()
    async with database.transaction() as connection:
        await connection.execute(statement("append_events"), batch)
