from __future__ import annotations

from dag_common.store.database import Database


async def test_a_database_that_answers_is_found_well(database: Database) -> None:
    await database.ping()
