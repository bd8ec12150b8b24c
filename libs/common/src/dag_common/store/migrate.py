"""Bring a database to the schema this code needs: numbered SQL files, each run once, in order.

python -m dag_common.store.migrate      uses DAG_DATABASE_URL, waits up to a minute for Postgres
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import asyncpg

from dag_common.errors import DagError, Invalid, Unavailable
from dag_common.store.database import mapped_errors
from dag_common.store.statements import statement

WAIT_SECONDS = 60
_LOCK = 0x_DA6


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. Its text is never edited once released: a database remembers its sha256."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """What the database remembers of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Every step, in order."""
    return sorted(_read(), key=lambda migration: migration.number)


async def migrate(url: str) -> list[Migration]:
    """Run what is missing, each step in one transaction, one migrator at a time; returns what ran.

    Raises `Invalid` when a step that ran was edited since, `Unavailable` when Postgres cannot be asked.
    """
    with mapped_errors():
        connection = await asyncpg.connect(url, timeout=5)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            await connection.execute(statement("prepare_migrations"))
            return await _run_missing(connection)
        finally:
            await connection.close()


async def _run_missing(connection: asyncpg.Connection[asyncpg.Record]) -> list[Migration]:
    applied = {row["number"]: row["sha256"] for row in await connection.fetch(statement("applied_migrations"))}
    missing = []
    for migration in migrations():
        if migration.number not in applied:
            async with connection.transaction():
                await connection.execute(migration.text)
                await connection.execute(
                    statement("record_migration"), migration.number, migration.name, migration.sha256
                )
            missing.append(migration)
        elif applied[migration.number] != migration.sha256:
            raise Invalid(f"migration {migration.name} was edited after it ran; undo the edit and add a new migration")
    return missing


def _read() -> Iterator[Migration]:
    for entry in resources.files(__package__).joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            yield Migration(int(entry.name.split("_")[0]), entry.name, entry.read_text(encoding="utf-8"))


async def _migrate_patiently(url: str) -> list[Migration]:
    for _ in range(WAIT_SECONDS):
        try:
            return await migrate(url)
        except Unavailable:
            await asyncio.sleep(1)
    return await migrate(url)


def main() -> int:
    """Migrate the database of DAG_DATABASE_URL and say what ran."""
    url = os.environ.get("DAG_DATABASE_URL")
    if not url or sys.argv[1:]:
        print(__doc__, file=sys.stderr)  # noqa: T201 - a command speaks to its user
        return 2
    try:
        done = asyncio.run(_migrate_patiently(url))
    except DagError as exc:
        print(f"migrate: {exc.message}", file=sys.stderr)  # noqa: T201
        return 1
    print("\n".join(f"ran {migration.name}" for migration in done) or "the schema is current")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
