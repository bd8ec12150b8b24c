"""For auditors: the whole log as JSON lines, and the proof that nothing in it was changed.

python -m dag_common.store.audit export > log.jsonl     every record in order of position, from DAG_DATABASE_URL
python -m dag_common.store.audit verify                 the hash chain of that database, up to the head
python -m dag_common.store.audit verify log.jsonl       the same for an export; needs no database

A chain that verifies says that no record was changed, removed or put in before its end. That the end itself is the one
it always was, git witnesses: each IaC commit carries a position and the hash there (Log-Position, Log-Head).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from dag_common.contracts.codec import decode_record, encode_record
from dag_common.contracts.envelope import GENESIS_HASH, Recorded, chained_hash
from dag_common.errors import DagError, Invalid
from dag_common.store import event_log
from dag_common.store.database import Database

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Proven:
    """How far a chain verified: the last position and the hash there."""

    position: int = 0
    hash: str = GENESIS_HASH

    def extended(self, record: Recorded) -> Proven:
        """The proof one record further; raises `Invalid` naming the first record that does not fit."""
        if record.position != self.position + 1:
            raise Invalid(f"position {self.position + 1} is missing: {record.position} follows {self.position}")
        if chained_hash(self.hash, record) != record.hash:
            raise Invalid(f"the record at position {record.position} ({record.type}) is not the one that was hashed")
        return Proven(record.position, record.hash)


async def records(database: Database) -> AsyncIterator[Recorded]:
    """Every record, in order of position."""
    position = 0
    while True:
        async with database.connection() as connection:
            page = await event_log.read_log(connection, after=position, limit=PAGE)
        if not page:
            return
        for record in page:
            yield record
        position = page[-1].position


async def verify(database: Database) -> Proven:
    """Check every record against the chain, and the chain against the head; raises `Invalid` where it breaks."""
    proven = Proven()
    async for record in records(database):
        proven = proven.extended(record)
    async with database.connection() as connection:
        head = await event_log.head(connection)
    if head.position == proven.position and head.hash != proven.hash:
        raise Invalid(f"the head at position {head.position} has another hash than the record there")
    if head.position < proven.position:
        raise Invalid(f"the head stands at {head.position}, before the last record at {proven.position}")
    return proven


def verify_export(path: Path) -> Proven:
    """Check an export; raises `Invalid` where the chain breaks and `Unreadable` for a line that is no record."""
    proven = Proven()
    with path.open("rb") as lines:
        for line in lines:
            proven = proven.extended(decode_record(line))
    return proven


async def _export(database: Database) -> str:
    async for record in records(database):
        sys.stdout.buffer.write(encode_record(record) + b"\n")
    return ""


async def _verify(database: Database) -> str:
    return _told(await verify(database))


def _told(proven: Proven) -> str:
    return f"verified {proven.position} records; hash {proven.hash}\n"


async def _on_database(command: str) -> str:
    database = await Database.connect(os.environ["DAG_DATABASE_URL"], max_size=2)
    try:
        return await (_export if command == "export" else _verify)(database)
    finally:
        await database.close()


def main(arguments: list[str]) -> int:
    """Export or verify; the exit code is 1 for a log that does not verify or cannot be read."""
    try:
        match arguments:
            case ["verify", path]:
                told = _told(verify_export(Path(path)))
            case ["export" | "verify" as command] if os.environ.get("DAG_DATABASE_URL"):
                told = asyncio.run(_on_database(command))
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except (DagError, OSError) as exc:
        sys.stderr.write(f"audit: {exc}\n")
        return 1
    sys.stdout.write(told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
