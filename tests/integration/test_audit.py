from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from examples import REQUESTED, fresh_id, new

from dag_common.errors import Invalid
from dag_common.store import audit, event_log
from dag_common.store.database import Database


async def append(database: Database, count: int) -> None:
    for _ in range(count):
        async with database.transaction() as connection:
            await event_log.append(connection, [new(fresh_id(), 1, REQUESTED)])


def command(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    module = () if isinstance(arguments[0], Path) else ("-m",)
    return subprocess.run(
        [sys.executable, *module, *arguments],
        env=os.environ | {"DAG_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_an_export_verifies_without_a_database(database: Database, database_url: str, tmp_path: Path) -> None:
    await append(database, 3)
    exported = tmp_path / "log.jsonl"
    exported.write_text(command(database_url, "dag_common.store.audit", "export").stdout)
    assert audit.verify_export(exported) == await audit.verify(database)
    assert audit.verify_export(exported).position == 3


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE dag.events SET payload = replace(payload, '1.2.3', '6.6.6') WHERE position = 2", "position 2"),
        ("DELETE FROM dag.events WHERE position = 2", "position 2 is missing"),
        ("UPDATE dag.events SET service = 'pusher' WHERE position = 3", "position 3"),
        ("DELETE FROM dag.events WHERE position = 3; UPDATE dag.log_head SET position = 2", "another hash"),
    ],
)
async def test_whoever_gets_around_every_lock_is_found_out(
    database: Database, database_url: str, sql: str, message: str
) -> None:
    await append(database, 3)
    owner = await asyncpg.connect(database_url)
    await owner.execute(f"ALTER TABLE dag.events DISABLE TRIGGER ALL; {sql}")
    await owner.close()
    with pytest.raises(Invalid, match=message):
        await audit.verify(database)
    answer = command(database_url, "dag_common.store.audit", "verify")
    assert (answer.returncode, "Traceback" in answer.stderr) == (1, False)


async def test_the_list_of_deployments_is_rebuilt_by_one_command(database: Database, database_url: str) -> None:
    await append(database, 2)
    answer = command(database_url, "dag_gateway.projections.rebuild")
    assert answer.stdout == "rebuilt deployments up to position 2\n"
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.deployments") == 2


async def test_the_script_prints_a_deployments_log_as_a_table(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = fresh_id()
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment, 1, REQUESTED)])
    script = Path(__file__).parents[2] / "deploy" / "examples" / "print_log.py"
    assert len(script.read_text().splitlines()) <= 20
    monkeypatch.setenv("COLUMNS", "160")
    answer = command(database_url, script, deployment, database_url)
    assert answer.stderr == ""
    assert "deployment.requested" in answer.stdout
