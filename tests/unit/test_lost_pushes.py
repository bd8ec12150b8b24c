"""A push that is still on its way when others settle what was in it: it arrives before they do, or never."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment_requests import CHARTS, asked
from deployment_world import LANES, World
from standing_workers import Worker

from dag_common.contracts.events import DeploymentId
from dag_common.domain.deployment import Deployment, load
from dag_common.domain.statuses import Status
from dag_pusher.domain.message import read_trailers

LANE = LANES[0]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.host.write(LANE.branch, "docs", {"README.md": b"ours"})
    yield world
    world.close()


def request(world: World, place: int, chart: str, job: int) -> DeploymentId:
    known = len(world.records)
    finish(world.request(asked(place, chart, job, supersede=False), CHARTS[chart]))
    return world.records[known].deployment_id


def finish(worker: Worker, *, fault_at_push: str = "") -> None:
    for _ in range(200):
        if worker.done:
            return
        worker.go_on(fault_at_push if worker.before == "push" else "")
    raise AssertionError(f"it stands before {worker.before}")


def push_on_its_way(world: World) -> Worker:
    """A pusher that stands still, with everything announced and its push in hand."""
    pusher = world.drain(LANE)
    while pusher.before != "push":
        pusher.go_on()
    return pusher


def state(world: World, which: DeploymentId) -> Deployment:
    return load(which, [record for record in world.records if record.deployment_id == which])


def reason(world: World, which: DeploymentId) -> str:
    return str(state(world, which).message)


def committed(world: World) -> list[str]:
    found = (read_trailers(commit.message) for commit in world.host.commits(LANE.branch))
    return [trailers.deployment_id for trailers in found if trailers]


def end(world: World, which: DeploymentId, why: str) -> None:
    if why == "cancelled":
        finish(world.cancel(which))
    else:
        world.clock.pass_by(1000)


@pytest.mark.parametrize("why", ["cancelled", "overdue"])
def test_what_ended_while_its_push_was_on_its_way_never_arrives(world: World, why: str) -> None:
    one = request(world, 0, "v1", 1)
    late = push_on_its_way(world)
    end(world, one, why)
    finish(world.drain(LANE))
    assert state(world, one).status is Status.FAILED
    assert "not known" not in reason(world, one)
    finish(late)
    assert committed(world) == []


@pytest.mark.parametrize("why", ["cancelled", "overdue"])
def test_what_is_to_end_and_arrives_before_the_branch_is_closed_counts_as_pushed(world: World, why: str) -> None:
    one = request(world, 0, "v1", 1)
    late = push_on_its_way(world)
    end(world, one, why)
    ending = push_on_its_way(world)
    finish(late)
    finish(ending)
    assert state(world, one).pushed is not None
    assert committed(world) == [one]


def test_the_push_of_another_closes_the_branch_as_well(world: World) -> None:
    one = request(world, 0, "v1", 1)
    late = push_on_its_way(world)
    other = request(world, 1, "v1", 2)
    finish(world.cancel(one))
    before = len(list(world.host.commits(LANE.branch)))
    finish(world.drain(LANE))
    finish(late)
    assert committed(world) == [other]
    assert len(list(world.host.commits(LANE.branch))) == before + 1
    assert state(world, one).status is Status.FAILED


def test_what_an_earlier_push_may_still_bring_is_not_called_unchanged_before_the_branch_is_closed(world: World) -> None:
    finish(world.request(asked(0, "v1", 1, supersede=False), CHARTS["v1"]))
    finish(world.drain(LANE))
    changed, back = request(world, 0, "v2", 2), request(world, 0, "v1", 3)
    late = push_on_its_way(world)
    finish(world.cancel(changed))
    ending = push_on_its_way(world)
    assert state(world, back).pushed is None
    finish(late)
    finish(ending)
    assert committed(world)[1:] == [changed, back]
    pushed = state(world, back).pushed
    assert pushed is not None
    assert not pushed.unchanged


def test_what_is_refused_while_an_earlier_push_is_on_its_way_never_arrives(world: World) -> None:
    one = request(world, 0, "v1", 1)
    late = push_on_its_way(world)
    again = push_on_its_way(world)
    again.go_on("refused")
    finish(again)
    assert "not on a Friday" in reason(world, one)
    finish(late)
    assert committed(world) == []


def test_a_server_that_refuses_to_have_its_branch_closed_leaves_a_doubt_which_is_told(world: World) -> None:
    one = request(world, 0, "v1", 1)
    push_on_its_way(world)
    finish(world.cancel(one))
    finish(world.drain(LANE), fault_at_push="refused")
    assert "whether its last attempt still arrives is not known" in reason(world, one)
    assert state(world, one).status is Status.FAILED


def test_a_branch_that_does_not_exist_is_made_so_that_no_push_can_make_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    one = request(world, 0, "v1", 1)
    late = push_on_its_way(world)
    finish(world.cancel(one))
    finish(world.drain(LANE))
    finish(late)
    assert committed(world) == []
    assert LANE.branch in world.host.tips
    world.close()


def test_what_came_after_a_push_on_its_way_is_not_called_unchanged_before_the_branch_is_closed(world: World) -> None:
    request(world, 0, "v1", 1)
    finish(world.drain(LANE))
    changed = request(world, 0, "v2", 2)
    late = push_on_its_way(world)
    back = request(world, 0, "v1", 3)
    finish(world.cancel(changed))
    ending = push_on_its_way(world)
    assert state(world, back).pushed is None
    finish(late)
    finish(ending)
    assert committed(world)[1:] == [changed, back]


def test_what_is_refused_beside_a_chart_that_cannot_be_used_ends_for_its_own_reason(world: World) -> None:
    broken, good = request(world, 1, "broken", 1), request(world, 0, "v1", 2)
    finish(world.drain(LANE), fault_at_push="refused")
    assert state(world, broken).failure.reason == "chart_unusable"
    assert "not on a Friday" in reason(world, good)
    assert state(world, good).failure.reason == "rejected"
