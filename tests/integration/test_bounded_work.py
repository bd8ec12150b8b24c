from __future__ import annotations

import asyncio

import msgspec
from examples import REQUESTED, fresh_id, new, requested

from dag_common.contracts.events import DeploymentFailed
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.todo import Lane, PushEntry
from dag_pusher.handlers.lanes import Lanes


class EmptyingBatch:
    """Ends whatever waits, and counts how many lanes are worked on at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.busy = self.busiest = 0

    async def push(self, lane: Lane, entries: list[PushEntry]) -> bool:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        end = DeploymentFailed(stage="pushing", reason="test", message="enough")
        async with self._database.transaction() as connection:
            await asyncio.sleep(0.01)
            await event_log.append(connection, [new(entry.deployment_id, 2, end) for entry in entries])
        self.busy -= 1
        return True


async def request_in_lanes(database: Database, count: int) -> None:
    for number in range(count):
        iac = msgspec.structs.replace(REQUESTED.iac, repository=f"iac-{number}")
        async with database.transaction() as connection:
            await event_log.append(connection, [new(fresh_id(), 1, requested(iac=iac))])


async def test_a_sweep_over_many_lanes_drains_all_but_only_so_many_at_once(database: Database) -> None:
    await request_in_lanes(database, 9)
    batch = EmptyingBatch(database)
    await Lanes(database, batch, at_once=3).drain_all()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.push_todo") == 0
    assert batch.busiest == 3
