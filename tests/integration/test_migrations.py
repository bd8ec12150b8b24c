from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from dag_common.errors import Invalid, Unavailable
from dag_common.store import migrate as steps
from dag_common.store.database import Database
from dag_common.store.migrate import migrate, migrations

SCHEMA = Path(steps.__file__).parent / "schema.sql"
SHAPE = """
    SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'dag'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'dag'::regnamespace
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'dag'
    UNION ALL SELECT 'function', proname, pg_get_function_identity_arguments(oid), pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'dag'::regnamespace
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'grant', table_name, grantee || ' ' || privilege_type, '' FROM information_schema.table_privileges
    WHERE table_schema = 'dag' AND grantee = 'dag_service'
    UNION ALL SELECT 'function grant', routine_name, grantee, '' FROM information_schema.routine_privileges
    WHERE routine_schema = 'dag' AND grantee IN ('dag_service', 'PUBLIC')
    UNION ALL SELECT 'comment', objoid::regclass::text, objsubid::text, description
    FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid::regclass::text LIKE 'dag.%'
    ORDER BY 1, 2, 3, 4
"""


async def shape(url: str) -> list[tuple[str, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(SHAPE)]
    finally:
        await connection.close()


async def test_the_migrations_add_up_to_the_schema_file(database_url: str, empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(SCHEMA.read_text())
    await connection.close()
    assert await shape(empty_database_url) == [row for row in await shape(database_url) if "migrations" not in str(row)]


async def test_migrating_twice_runs_everything_once(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == migrations()
    assert await migrate(empty_database_url) == []


async def test_a_migration_edited_after_it_ran_is_refused(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database_url)
    edited = [steps.Migration(1, "0001_event_log.sql", "SELECT 1")]
    monkeypatch.setattr(steps, "migrations", lambda: edited)
    with pytest.raises(Invalid, match=r"0001_event_log.sql was edited"):
        await migrate(empty_database_url)


async def test_a_database_without_the_schema_says_what_to_run(empty_database_url: str) -> None:
    database = await Database.connect(empty_database_url)
    with pytest.raises(Unavailable, match="run the migrations"):
        async with database.connection() as connection:
            await connection.fetch("SELECT * FROM dag.events")
    await database.close()


async def test_no_postgres_is_unavailable_and_the_message_keeps_the_password() -> None:
    with pytest.raises(Unavailable) as caught:
        await Database.connect("postgresql://dag:planted-secret@127.0.0.1:1/dag")
    assert "planted-secret" not in str(caught.value)
