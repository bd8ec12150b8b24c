from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import pytest
from examples import REQUESTED, fresh_id, new, requested

from dag_common.contracts.codec import decode
from dag_common.contracts.envelope import Recorded
from dag_common.delivery import leader
from dag_common.delivery.projector import Projector, caught_up, rebuild
from dag_common.errors import Unavailable, Unreadable
from dag_common.runtime.lifecycle import background
from dag_common.store import checkpoints, event_log
from dag_common.store.database import Connection, Database

APPS = ("ants", "bees", "cats")


@pytest.fixture(autouse=True)
def impatient_standby(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "STAND_BY_SECONDS", 0.1)


class RequestsPerApp:
    """Counts requests, so a record applied twice or not at all shows. It can be told to die, or not to read an app."""

    name = "requests_per_app"

    def __init__(self, *, dying_at: frozenset[int] = frozenset(), unreadable: str = "") -> None:
        self.dying_at = set(dying_at)
        self.unreadable = unreadable

    async def apply(self, connection: Connection, records: Sequence[Recorded]) -> None:
        for record in records:
            app = decode(record).app  # type: ignore[union-attr]
            if app == self.unreadable:
                raise Unreadable(f"{app} at {record.position}")
            await connection.execute(
                "INSERT INTO requests_per_app AS r VALUES ($1, 1) ON CONFLICT (app) DO UPDATE SET n = r.n + 1", app
            )
            if record.position in self.dying_at:
                self.dying_at.remove(record.position)
                raise Unavailable("killed in the middle")

    async def reset(self, connection: Connection) -> None:
        await connection.execute("DELETE FROM requests_per_app")


@pytest.fixture
async def table(database: Database, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "CREATE TABLE requests_per_app (app text PRIMARY KEY, n int NOT NULL);"
        "GRANT ALL ON requests_per_app TO dag_service"
    )
    await connection.close()


async def append(database: Database, *apps: str) -> int:
    async with database.transaction() as connection:
        events = [new(fresh_id(), 1, requested(app=app)) for app in apps]
        return (await event_log.append(connection, events))[-1].position


async def rows(database: Database) -> dict[str, int]:
    async with database.connection() as connection:
        return {row["app"]: row["n"] for row in await connection.fetch("SELECT * FROM requests_per_app")}


@pytest.mark.usefixtures("table")
async def test_each_record_is_applied_once_through_restarts_rivals_and_deaths_in_the_middle(
    database: Database,
) -> None:
    expected: dict[str, int] = dict.fromkeys(APPS, 0)
    projection = RequestsPerApp(dying_at=frozenset({2, 5, 11, 12}))

    async def grow() -> int:
        position = 0
        for _ in range(10):
            batch = random.choices(APPS, k=3)
            for app in batch:
                expected[app] += 1
            position = await append(database, *batch)
        return position

    rivals = [Projector(database, projection) for _ in range(3)]
    async with background(**{f"rival-{number}": rival._project for number, rival in enumerate(rivals)}):
        await caught_up(database, projection.name, to=await grow(), within=30)
    async with background(again=Projector(database, projection).run):
        await caught_up(database, projection.name, to=await grow(), within=30)
    assert not projection.dying_at
    assert await rows(database) == expected


@pytest.mark.usefixtures("table")
async def test_a_rebuilt_projection_equals_the_live_one_and_the_live_one_goes_on(database: Database) -> None:
    projection = RequestsPerApp()
    async with background(projector=Projector(database, projection).run):
        position = await append(database, *random.choices(APPS, k=20))
        await caught_up(database, projection.name, to=position, within=20)
        live = await rows(database)
        assert await rebuild(database, projection) == position
        assert await rows(database) == live
        await caught_up(database, projection.name, to=await append(database, "ants"), within=20)
    assert await rows(database) == live | {"ants": live.get("ants", 0) + 1}


@pytest.mark.usefixtures("table")
async def test_rebuilding_while_events_come_in_counts_each_once(database: Database) -> None:
    projection = RequestsPerApp()
    async with background(projector=Projector(database, projection).run):
        for _ in range(5):
            await append(database, "ants", "bees")
            await asyncio.gather(rebuild(database, projection), append(database, "ants"), append(database, "bees"))
        await caught_up(database, projection.name, to=await append(database, "cats"), within=20)
    assert await rows(database) == {"ants": 10, "bees": 10, "cats": 1}


@pytest.mark.usefixtures("table")
async def test_a_running_projection_skips_what_it_cannot_read_and_a_rebuild_refuses_it(database: Database) -> None:
    projection = RequestsPerApp(unreadable="bees")
    async with background(projector=Projector(database, projection).run):
        await caught_up(database, projection.name, to=await append(database, "ants", "bees", "cats"), within=20)
    assert await rows(database) == {"ants": 1, "cats": 1}
    with pytest.raises(Unreadable, match="bees at 2"):
        await rebuild(database, projection)
    assert await rows(database) == {"ants": 1, "cats": 1}
    async with database.connection() as connection:
        assert await checkpoints.read(connection, projection.name) == 3


async def test_a_cursor_that_does_not_come_is_named(database: Database) -> None:
    await append(database, REQUESTED.app)
    with pytest.raises(Unavailable, match=r"nobody has not come to position 1 within 0\.05 s"):
        await caught_up(database, "nobody", to=1, within=0.05)
