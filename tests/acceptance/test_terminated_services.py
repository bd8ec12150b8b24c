"""SIGTERM: what is in hand is finished or handed over, and whoever was listening goes on elsewhere."""

from __future__ import annotations

import asyncio

from acceptance.harness.moments import monitoring, pushing
from acceptance.harness.outside import reconciles
from acceptance.harness.scene import Build


async def test_streams_of_a_terminated_gateway_are_resumed_at_another_without_a_gap(build: Build) -> None:
    scene = await build(environments=3)
    await scene.dag.start(gateway=2, pusher=1, monitor=1)
    leaving = scene.dag.one("gateway")
    gate = scene.outside.gates.git.hold(reconciles)
    await gate.reached()
    orders = [scene.ci.order(place.environment) for place in scene.outside.landscape.places]
    for order in orders:
        await scene.ci.submit(order)
    readers = [scene.ci.follow(order) for order in orders for _ in range(4)]
    await asyncio.gather(*(reader.until("monitoring") for reader in readers))
    moved = [reader for reader in readers if reader.journey.connections[-1].gateway == leaving.url]
    assert len(moved) == len(readers) / 2
    assert await leaving.terminate() == 0
    gate.open()
    journeys = await asyncio.gather(*(reader.end() for reader in readers))
    assert {journey.status for journey in journeys} == {"deployed"}
    for reader in moved:
        first, *_, last = reader.journey.connections
        assert (first.ending, last.ending) == ("closed", "closed"), reader.journey.story()
        assert first.retry_ms is not None
        assert last.after
    await scene.auditor.check()


async def test_a_terminated_pusher_finishes_the_push_in_hand(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    order = scene.ci.order("env-00")
    async with pushing(scene, order):
        ending = asyncio.create_task(scene.dag.one("pusher").terminate())
        await scene.dag.one("pusher").said("stop_requested")
    assert await ending == 0
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    assert len((await scene.auditor.check()).commits) == 1


async def test_a_terminated_monitor_hands_its_rollouts_over(build: Build) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    order = scene.ci.order("env-00")
    async with monitoring(scene, order):
        await scene.dag.start(monitor=1)
        assert await scene.dag.one("monitor").terminate() == 0
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    await scene.auditor.check()
