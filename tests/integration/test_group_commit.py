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
from dag_pusher.domain.batch import WaitingChart
from dag_pusher.handlers import attempt, preparation
from dag_pusher.handlers.batch import GroupCommit
from dag_pusher.handlers.intake import Waiting
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


class Weighed(Preparation):
    """Tells how many bytes of charts each attempt held."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.prepared: list[str] = []

    async def prepare(self, waiting: Waiting) -> WaitingChart:
        self.prepared.append(waiting.requested.version)
        return await super().prepare(waiting)


async def test_charts_that_unpack_to_more_than_an_attempt_may_hold_are_pushed_one_after_another(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "UNPACKED_BYTES", 1)
    async with pusher_world(database, tmp_path) as world:
        deployments = [await world.request(number) for number in range(3)]
        preparation = Weighed(database)
        await world.lanes(preparation=preparation).drain(LANE)
        assert world.in_git() == deployments
        assert preparation.prepared == ["1.0.0", "1.0.1", "1.0.2"], "each was unpacked once, when its turn came"
        assert [(await world.state(each)).push_attempts for each in deployments] == [1, 1, 1]
