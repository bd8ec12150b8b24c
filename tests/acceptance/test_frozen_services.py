"""A process that stands still long enough to be replaced, and then goes on as if it still had its work in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from acceptance.harness.interventions import cut_connections, forget_touches
from acceptance.harness.moments import arrived, monitoring
from acceptance.harness.scene import Build


async def test_a_pusher_that_lost_its_lock_while_frozen_records_nothing_twice(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    frozen, order = scene.dag.one("pusher"), scene.ci.order("env-00")
    async with arrived(scene, order):
        frozen.freeze()
        await cut_connections(scene.database_url)
    await scene.dag.start(pusher=1)
    assert (await scene.ci.follow(order).end()).status == "deployed"
    frozen.thaw()
    await frozen.said("message_handled")
    assert len((await scene.auditor.check()).commits) == 1


async def test_a_monitor_that_was_overtaken_while_frozen_changes_no_verdict(build: Build) -> None:
    scene = await build(variables={"DAG_SWEEP_SECONDS": "0.5"})
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    frozen, order = scene.dag.one("monitor"), scene.ci.order("env-00")
    async with monitoring(scene, order):
        frozen.freeze()
        await scene.dag.start(monitor=1)
    async with time_flying(scene.database_url):
        assert (await scene.ci.follow(order).end()).status == "deployed"
    frozen.thaw()
    await frozen.said("rollout_ended")
    await scene.auditor.check()


@asynccontextmanager
async def time_flying(database_url: str) -> AsyncIterator[None]:
    """Minutes pass; every sweep finds that nobody has the rollout in hand."""

    async def fly() -> None:
        while True:
            await forget_touches(database_url)
            await asyncio.sleep(0.2)

    flying = asyncio.create_task(fly())
    try:
        yield
    finally:
        flying.cancel()
        await asyncio.gather(flying, return_exceptions=True)
