"""What becomes of a deployment that waits to be pushed: pushed in order, superseded, cancelled, broken, too late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from pusher_world import LANE, BrokenPreparation, PusherWorld, pusher_world

from dag_common.contracts.events import DeploymentId
from dag_common.domain.statuses import Status
from dag_common.errors import Unavailable
from dag_common.iac.mirror import Upstream
from dag_common.runtime import clock
from dag_common.store.database import Database
from dag_pusher.domain.batch import Batch, WaitingChart
from dag_pusher.domain.outcome import Outcome
from dag_pusher.git import IacBranch
from dag_pusher.handlers import batch

OVER = -1.0
"""A deadline that is over for everybody."""


@pytest.fixture
async def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PusherWorld]:
    monkeypatch.setattr(batch, "PAUSE_SECONDS", 0.01)
    async with pusher_world(database, tmp_path) as world:
        yield world


class CancelledWhile:
    """The branch, with somebody who cancels a deployment at one step."""

    def __init__(self, branch: IacBranch, world: PusherWorld, step: str, deployment: DeploymentId) -> None:
        self._branch = branch
        self._world = world
        self._step = step
        self._deployment = deployment

    async def _at(self, step: str) -> None:
        if step == self._step:
            self._step = ""
            await self._world.cancel(self._deployment)

    async def look(self) -> Upstream:
        await self._at("looking")
        return await self._branch.look()

    async def prepare(self, charts: Sequence[WaitingChart], upstream: Upstream) -> Batch:
        return await self._branch.prepare(charts, upstream)

    async def push(self, chain: Batch) -> Outcome:
        outcome = await self._branch.push(chain)
        await self._at("pushed")
        return outcome


class BrokenBranch(IacBranch):
    """Even to look at it raises what nobody foresaw."""

    async def look(self) -> Upstream:
        raise ZeroDivisionError


async def test_what_waits_gives_way_to_a_newer_deployment_that_asks_for_it(world: PusherWorld) -> None:
    older, other = await world.request(1), await world.request(2, environment="staging")
    newer = await world.request(3, supersede=True)
    await world.lanes().drain(LANE)
    failure = await world.failure(older)
    assert (failure.stage, failure.reason) == ("pending", "superseded")
    assert newer in failure.message
    assert "1.0.3" in failure.message
    assert world.in_git() == [other, newer]


async def test_what_does_not_ask_for_it_supersedes_nothing(world: PusherWorld) -> None:
    deployments = [await world.request(number) for number in range(3)]
    await world.lanes().drain(LANE)
    assert world.in_git() == deployments


async def test_a_deployment_whose_push_began_is_committed_before_the_one_that_would_supersede_it(
    world: PusherWorld,
) -> None:
    older = await world.request(1)
    await world.begin(older)
    newer = await world.request(2, supersede=True)
    await world.lanes().drain(LANE)
    assert world.in_git() == [older, newer]


async def test_a_cancelled_deployment_whose_push_did_not_arrive_ends_and_leaves_no_commit(world: PusherWorld) -> None:
    cancelled = await world.request(1)
    await world.begin(cancelled)
    await world.cancel(cancelled)
    follower = await world.request(2)
    await world.lanes().drain(LANE)
    failure = await world.failure(cancelled)
    assert (failure.stage, failure.reason, failure.message) == ("pushing", "cancelled", "Cancelled by ada")
    assert world.in_git() == [follower]


async def test_a_cancellation_that_comes_while_the_push_is_under_way_is_too_late(world: PusherWorld) -> None:
    deployments = [await world.request(number) for number in range(3)]
    branch = CancelledWhile(world.branch, world, "pushed", deployments[1])
    await world.lanes(branch=branch).drain(LANE)
    assert world.in_git() == deployments
    state = await world.state(deployments[1])
    assert state.cancellation is not None
    assert state.status is Status.PUSHED
    assert state.pushed is not None
    assert (state.pushed.chart_version, state.push_attempts) == ("1.0.1", 1)


async def test_a_deployment_the_gateway_ended_before_its_push_began_is_left_alone(world: PusherWorld) -> None:
    cancelled, follower = await world.request(1), await world.request(2)
    branch = CancelledWhile(world.branch, world, "looking", cancelled)
    await world.lanes(branch=branch).drain(LANE)
    assert (await world.failure(cancelled)).reason == "cancelled"
    assert world.in_git() == [follower]


async def test_deployments_only_a_newer_dag_can_read_hold_up_nobody_behind_them(world: PusherWorld) -> None:
    unreadable = [await world.request_unreadable() for _ in range(120)]
    good = await world.request(1)
    await world.lanes().drain(LANE)
    assert world.in_git() == [good]
    async with world.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.push_todo") == len(unreadable)


async def test_deployments_nobody_can_read_end_at_their_deadline(world: PusherWorld) -> None:
    deployments = [await world.request_unreadable() for _ in range(3)]
    await world.lanes(deadline=OVER).drain(LANE)
    async with world.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dag.push_todo") == 0
        ends = await connection.fetch("SELECT payload FROM dag.events WHERE type = 'deployment.failed'")
    assert len(ends) == len(deployments)
    assert all("push_deadline" in end["payload"] and "cannot read" in end["payload"] for end in ends)


async def test_an_error_nobody_foresaw_fails_one_deployment_and_spares_the_others(world: PusherWorld) -> None:
    deployments = [await world.request(number) for number in range(5)]
    preparation = BrokenPreparation(world.database, "1.0.2")
    await world.lanes(preparation=preparation).drain(LANE)
    broken = deployments.pop(2)
    assert world.in_git() == deployments
    failure = await world.failure(broken)
    assert (failure.stage, failure.reason) == ("pushing", "internal_error")
    assert "RuntimeError" in failure.message
    assert "secret" not in failure.message
    assert preparation.struck == batch.UNFORESEEN_ATTEMPTS


async def test_an_error_that_passes_costs_nothing_but_another_attempt(world: PusherWorld) -> None:
    deployments = [await world.request(number) for number in range(5)]
    await world.lanes(preparation=BrokenPreparation(world.database, "1.0.2", times=2)).drain(LANE)
    assert world.in_git() == deployments


async def test_an_error_while_looking_at_the_branch_is_nobodys_fault_until_the_deadline(world: PusherWorld) -> None:
    deployment = await world.request()
    broken = BrokenBranch(world.mirror)
    with pytest.raises(Unavailable):
        await world.lanes(branch=broken).drain(LANE)
    assert not (await world.state(deployment)).ended
    with pytest.raises(Unavailable):
        await world.lanes(branch=broken, deadline=OVER).drain(LANE)
    failure = await world.failure(deployment)
    assert failure.reason == "push_deadline"
    assert "ZeroDivisionError" in failure.message


async def test_the_deadline_tells_what_is_known_of_the_last_attempt(world: PusherWorld) -> None:
    begun, fresh = await world.request(1), await world.request(2)
    await world.begin(begun)
    world.host.faults.failures = 1_000
    with pytest.raises(Unavailable):
        await world.lanes(deadline=OVER).drain(LANE)
    assert "whether its last attempt arrived is not known" in (await world.failure(begun)).message
    assert "503" in (await world.failure(fresh)).message
    assert "not known" not in (await world.failure(fresh)).message


async def test_after_the_deadline_what_arrived_is_recorded_and_what_did_not_is_not_tried_again(
    world: PusherWorld,
) -> None:
    arrived, lost, fresh = [await world.request(number) for number in range(3)]
    await world.begin(arrived)
    await world.begin(lost)
    await world.push_unrecorded(arrived)
    await world.lanes(deadline=OVER).drain(LANE)
    assert (await world.state(arrived)).status is Status.PUSHED
    assert (await world.failure(lost)).reason == "push_deadline"
    assert "does not hold it" in (await world.failure(lost)).message
    assert world.in_git() == [arrived, fresh]


async def test_a_clock_that_steps_an_hour_ends_nothing(world: PusherWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = await world.request()
    world.host.faults.failures = 1_000

    class InAnHour(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=1)

    monkeypatch.setattr(clock, "datetime", InAnHour)
    with pytest.raises(Unavailable):
        await world.lanes(deadline=900).drain(LANE)
    assert not (await world.state(deployment)).ended
