"""A push whose answer does not come, and a lock that is lost meanwhile: the branch is let go of, nothing is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conditions import until
from pusher_world import LANE, PusherWorld, pusher_world
from sessions import end_sessions

from dag_common.errors import Unavailable
from dag_common.iac import mirror
from dag_common.store.database import Database
from dag_common.store.todo import Lane, PushEntry
from dag_pusher.handlers.lanes import Lanes


@pytest.fixture
async def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PusherWorld]:
    monkeypatch.setattr(mirror, "PUSH_SECONDS", 1.0)
    async with pusher_world(database, tmp_path) as world:
        yield world


def hang(directory: Path) -> Path:
    """The server's hook stands still until the returned file is there."""
    (hook,) = directory.glob("**/_hooks/pre-receive")
    go_on = directory / "go-on"
    hook.write_text(f"#!/bin/sh\nwhile [ ! -e {go_on} ]; do sleep 0.05; done\n")
    return go_on


async def drained(world: PusherWorld, *, deadline: float = 900) -> None:
    async with asyncio.timeout(20):
        await world.lanes(deadline=deadline).drain(LANE)


async def test_a_hook_that_hangs_holds_its_branch_no_longer_than_a_push_may_take(
    world: PusherWorld, tmp_path: Path
) -> None:
    go_on, deployment = hang(tmp_path), await world.request()
    with pytest.raises(Unavailable, match="still owes the answer"):
        await drained(world)
    with pytest.raises(Unavailable, match="still owes the answer"):
        await drained(world)
    assert (await world.state(deployment)).push_attempts == 1, "nobody sends again what may still arrive"
    go_on.touch()
    await until(lambda: not world.mirror.awaits_answer(world.start))
    await drained(world)
    assert (await world.state(deployment)).pushed is not None
    assert world.in_git() == [deployment]


async def test_what_a_hook_that_hangs_keeps_from_arriving_ends_at_its_deadline_and_says_what_is_not_known(
    world: PusherWorld, tmp_path: Path
) -> None:
    go_on, deployment = hang(tmp_path), await world.request()
    with pytest.raises(Unavailable):
        await drained(world, deadline=-1)
    failure = await world.failure(deployment)
    assert failure.reason == "push_deadline"
    assert "whether its last attempt arrived is not known" in failure.message
    go_on.touch()


class Standing:
    """A batch that takes for ever."""

    def __init__(self) -> None:
        self.begun, self.stopped = asyncio.Event(), asyncio.Event()

    async def push(self, lane: Lane, entries: list[PushEntry]) -> bool:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return True


async def test_a_pusher_stops_the_moment_it_loses_the_lock_of_its_branch(
    world: PusherWorld, database: Database, database_url: str
) -> None:
    batch = Standing()
    await world.request()
    draining = asyncio.create_task(Lanes(database, batch, at_once=1).drain(LANE))
    async with asyncio.timeout(20):
        await batch.begun.wait()
        await end_sessions(database_url, LANE.lock_name)
        with pytest.raises(Unavailable, match="lost"):
            await draining
    assert batch.stopped.is_set()
