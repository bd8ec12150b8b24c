"""A full disk under the mirrors: the process may write no file above a size, which the kernel answers like a quota."""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator, ItemsView, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from git_examples import attempt, chart_files, waiting
from pusher_world import LANE, PusherWorld, pusher_world

from dag_common.domain.statuses import Status
from dag_common.errors import Unavailable
from dag_common.iac import room
from dag_common.iac.room import DiskFull
from dag_common.store.database import Database
from dag_pusher.domain.outcome import Pushed

KIB = 1 << 10


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[PusherWorld]:
    async with pusher_world(database, tmp_path) as world:
        yield world


@contextmanager
def full(limit: int = 64 * KIB) -> Iterator[None]:
    """No file of this process grows above `limit` bytes; the git host's own processes are children and share it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_while_the_disk_is_full_deployments_wait_and_then_go_on_by_themselves(world: PusherWorld) -> None:
    await world.request(1)
    await world.lanes().drain(LANE)
    waits = await world.request(2)
    with full():
        with pytest.raises(Unavailable, match=r"disk of the mirror directory .* is full .*: free at least 16 MiB"):
            await world.lanes().drain(LANE)
        state = await world.state(waits)
        assert (state.status, state.push_attempts) == (Status.VALIDATING, 0)
    await world.lanes().drain(LANE)
    assert (await world.state(waits)).status is Status.PUSHED


async def test_a_deployment_that_waited_too_long_for_room_says_so(world: PusherWorld) -> None:
    deployment = await world.request()
    with full(), pytest.raises(Unavailable):
        await world.lanes(deadline=-1).drain(LANE)
    failure = await world.failure(deployment)
    assert failure.reason == "push_deadline"
    assert "is full" in failure.message


class FillsTheDisk(dict[str, bytes]):
    """A chart's files; when the first is taken to be written, there is no room any more."""

    def items(self) -> ItemsView[str, bytes]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * KIB, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return super().items()


async def test_a_disk_that_fills_up_while_it_is_written_to_leaves_a_copy_as_good_as_before(
    world: PusherWorld, tmp_path: Path
) -> None:
    await attempt(world.branch, [waiting(1)])
    files = chart_files("1.0.2", **{"templates/big.yaml": os.urandom(200 * KIB)})
    upstream = await world.branch.look()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(DiskFull):
            await world.branch.prepare([replace(waiting(2), files=FillsTheDisk(files))], upstream)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "mirrors").rglob("*_git2_*"))
    assert [copy.name for copy in (tmp_path / "mirrors" / "0").iterdir()] == ["0"]
    _, outcome = await attempt(world.branch, [replace(waiting(2), files=files)])
    assert outcome == Pushed()


async def test_a_fetch_the_disk_has_no_room_for_keeps_the_copy(
    world: PusherWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attempt(world.branch, [waiting(1)])
    monkeypatch.setattr(room, "RESERVE", 1)
    await world.host.commit("iac", {"big": os.urandom(500 * KIB)})
    with full(), pytest.raises(DiskFull):
        await world.branch.look()
    assert [copy.name for copy in (tmp_path / "mirrors" / "0").iterdir()] == ["0"]
    _, outcome = await attempt(world.branch, [waiting(2)])
    assert outcome == Pushed()
