from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NoReturn

import pytest
from examples import PUSHED, REQUESTED, fresh_id, new
from pusher_world import pusher_world

from dag_common.charts.limits import DEFAULT
from dag_common.contracts.events import DeploymentFailed, Event, ValidationStarted
from dag_common.errors import Conflict
from dag_common.store import event_log, todo
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_common.store.todo import Lane
from dag_pusher.handlers import preparation
from dag_pusher.handlers.batch import GroupCommit
from dag_pusher.handlers.preparation import Preparation

LANE = Lane("iac", "main")


def no_branch(_lane: Lane) -> NoReturn:
    pytest.fail("nothing is to be pushed")


@pytest.mark.parametrize(
    "meanwhile", [PUSHED, DeploymentFailed(stage="pushing", reason="push_deadline", message="late")]
)
async def test_a_list_that_was_read_too_early_adds_nothing_to_what_another_pusher_finished(
    database: Database, meanwhile: Event
) -> None:
    deployment = fresh_id()
    async with database.transaction() as connection:
        await event_log.append(connection, [new(deployment, 1, REQUESTED), new(deployment, 2, ValidationStarted())])
        stale = await todo.to_push(connection, LANE)
        await event_log.append(connection, [new(deployment, 3, meanwhile)])
    batch = GroupCommit(Streams(database, "pusher"), Preparation(database), no_branch, deadline=60)
    with pytest.raises(Conflict, match=str(deployment)):
        await batch.push(LANE, stale)
    async with database.connection() as connection:
        assert (await event_log.head(connection)).position == 3


async def test_a_chart_that_the_gateway_took_by_a_limit_of_its_own_is_pushed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "DEFAULT", dataclasses.replace(DEFAULT, upload=100))
    async with pusher_world(database, tmp_path) as world:
        deployment = await world.request()
        await world.lanes().drain(LANE)
        assert (await world.state(deployment)).pushed is not None
