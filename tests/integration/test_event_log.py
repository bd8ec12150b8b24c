from __future__ import annotations

import asyncio
import contextlib
import random

import asyncpg
import pytest
from examples import PUSHED, REQUESTED, fresh_id, new, requested

from dag_common.contracts.envelope import GENESIS_HASH, NewEvent, Recorded, chained_hash
from dag_common.contracts.events import DeploymentFailed, DeploymentRequested, PushStarted, ValidationStarted
from dag_common.errors import Conflict
from dag_common.store import event_log, todo
from dag_common.store.database import Database


async def test_an_appended_batch_reads_back_in_order_by_stream_and_by_position(database: Database) -> None:
    first, second = fresh_id(), fresh_id()
    async with database.transaction() as connection:
        records = await event_log.append(
            connection, [new(first, 1, REQUESTED), new(second, 1, REQUESTED), new(first, 2, ValidationStarted())]
        )
    async with database.connection() as connection:
        assert await event_log.read_stream(connection, first) == [records[0], records[2]]
        assert await event_log.read_log(connection, after=0, limit=10) == records
    assert [record.position for record in records] == [1, 2, 3]


async def test_a_taken_version_is_a_conflict_and_leaves_nothing_behind(database: Database) -> None:
    deployment = fresh_id()
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment, 1, REQUESTED)])
    for version in (1, 3):
        with pytest.raises(Conflict, match="events_stream_version"):
            async with database.transaction() as connection:
                await event_log.append(
                    connection, [new(fresh_id(), 1, REQUESTED), new(deployment, version, ValidationStarted())]
                )
    async with database.connection() as connection:
        assert (await event_log.head(connection)).position == 1
        assert len(await event_log.read_log(connection, after=0, limit=10)) == 1


async def test_the_same_event_id_again_returns_the_record_and_writes_nothing(database: Database) -> None:
    event = new(fresh_id(), 1, REQUESTED)
    records = []
    for _ in range(2):
        async with database.transaction() as connection:
            records += await event_log.append(connection, [event])
    assert records[0] == records[1]
    async with database.connection() as connection:
        assert (await event_log.head(connection)).position == 1


async def test_an_event_id_reused_for_another_place_is_a_conflict(database: Database) -> None:
    event = new(fresh_id(), 1, REQUESTED)
    async with database.transaction() as connection:
        await event_log.append(connection, [event])
    with pytest.raises(Conflict, match="events_event_id"):
        async with database.transaction() as connection:
            await event_log.append(connection, [new(fresh_id(), 1, REQUESTED, event_id=event.event_id)])


async def test_the_hash_chain_verifies_from_the_records_alone(database: Database) -> None:
    async with database.transaction() as connection:
        for _ in range(5):
            await event_log.append(connection, [new(fresh_id(), 1, requested(version="é\u2028\n\t0"))])
    async with database.connection() as connection:
        records = await event_log.read_log(connection, after=0, limit=100)
        head = await event_log.head(connection)
    previous = GENESIS_HASH
    for record in records:
        assert chained_hash(previous, record) == record.hash
        previous = record.hash
    assert head.hash == previous


@pytest.mark.parametrize(
    "text", ["UPDATE dag.events SET payload = ''", "DELETE FROM dag.events", "TRUNCATE dag.events"]
)
async def test_even_the_owner_cannot_change_the_log(database: Database, database_url: str, text: str) -> None:
    async with database.transaction() as connection:
        await event_log.append(connection, [new(fresh_id(), 1, REQUESTED)])
    owner = await asyncpg.connect(database_url)
    try:
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(text)
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE dag.events SET payload = ''",
        "DELETE FROM dag.events",
        "TRUNCATE dag.events",
        "INSERT INTO dag.events SELECT * FROM dag.events",
        "UPDATE dag.log_head SET position = 0",
        "DELETE FROM dag.push_todo",
        "INSERT INTO dag.watch_todo SELECT gen_random_uuid(), 1, now()",
        "ALTER TABLE dag.events DISABLE TRIGGER ALL",
        "SELECT dag.keep_todo(e, '{}') FROM dag.events e",
    ],
)
async def test_the_service_role_has_no_right_to_write_around_the_append(database: Database, text: str) -> None:
    async with database.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(text)


async def test_a_service_cannot_append_what_another_service_writes(database: Database) -> None:
    with pytest.raises(ValueError, match="monitor does not write"):
        async with database.transaction() as connection:
            await event_log.append(connection, [new(fresh_id(), 1, PUSHED, service="monitor")])


async def test_an_event_moves_its_deployment_from_list_to_list(database: Database) -> None:
    deployment = fresh_id()
    lane = todo.Lane("iac", "main")
    steps: list[tuple[DeploymentRequested | PushStarted | object, int, int]] = [
        (REQUESTED, 1, 0),
        (ValidationStarted(), 1, 0),
        (PUSHED, 0, 1),
        (DeploymentFailed(stage="monitoring", reason="timeout", message="late"), 0, 0),
    ]
    for version, (event, pushes, watches) in enumerate(steps, start=1):
        async with database.transaction() as connection:
            await event_log.append(connection, [new(deployment, version, event)])  # type: ignore[arg-type]
        async with database.connection() as connection:
            assert len(await todo.to_push(connection, lane)) == pushes
            assert await todo.lanes_to_push(connection) == [lane] * pushes
            assert [entry.deployment_id for entry in await todo.to_watch(connection)] == [deployment] * watches


async def test_a_stale_watch_is_claimed_by_one_sweeper_only(database: Database) -> None:
    deployment = fresh_id()
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment, 1, REQUESTED), new(deployment, 2, PUSHED)])
    async with database.connection() as connection:
        assert await todo.claim_stale_watches(connection, older_than=60, limit=10) == []
        assert len(await todo.claim_stale_watches(connection, older_than=0, limit=10)) == 1
        assert await todo.claim_stale_watches(connection, older_than=1, limit=10) == []


class Race:
    """Writers with slow, rolled-back and batched transactions, and how many events they got in."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.random = random.Random(seed)
        self.appended = 0
        self.writing = True

    async def write(self, rounds: int) -> None:
        for _ in range(rounds):
            batch = [new(fresh_id(), 1, REQUESTED) for _ in range(self.random.choice((1, 1, 3)))]
            with contextlib.suppress(LookupError):
                await self._append(batch, pause=self.random.choice((0, 0, 0.002, 0.01)))
                self.appended += len(batch)

    async def _append(self, batch: list[NewEvent], pause: float) -> None:
        async with self.database.transaction() as connection:
            await asyncio.sleep(pause / 2)
            await event_log.append(connection, batch)
            await asyncio.sleep(pause)
            if self.random.random() < 0.25:
                raise LookupError("changed its mind")

    async def tail(self) -> list[Recorded]:
        seen: list[Recorded] = []
        while True:
            done = not self.writing
            async with self.database.connection() as connection:
                page = await event_log.read_log(connection, after=seen[-1].position if seen else 0, limit=7)
            seen += page
            if done and not page:
                return seen


async def test_eight_writers_and_a_tailing_reader_miss_nothing_and_leave_no_holes(database_url: str) -> None:
    database = await Database.connect(database_url, max_size=10)
    race = Race(database, seed=20)
    reader = asyncio.create_task(race.tail())
    await asyncio.gather(*(race.write(25) for _ in range(8)))
    race.writing = False
    seen = await reader
    await database.close()
    assert race.appended > 100
    assert [record.position for record in seen] == list(range(1, race.appended + 1))
