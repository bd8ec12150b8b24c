"""A process that stands still long enough to be replaced, and then goes on as if it still had its work in hand."""

from __future__ import annotations

import asyncio

from acceptance.harness.interventions import cut_connections
from acceptance.harness.moments import arrived, monitoring
from acceptance.harness.outside import pushes
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


async def test_what_was_cancelled_while_a_frozen_pusher_held_its_push_never_arrives(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=1, pusher=1)
    frozen, order = scene.dag.one("pusher"), scene.ci.order("env-00")
    gate = scene.outside.gates.git.hold(pushes)
    await scene.ci.submit(order)
    await gate.reached()
    frozen.freeze()
    cancelling = asyncio.create_task(scene.ci.cancel(order))
    await scene.log.until(order.deployment_id, "cancellation.requested")
    await scene.dag.start(pusher=1)
    assert (await scene.ci.follow(order).end()).status == "failed"
    gate.open()
    frozen.thaw()
    await frozen.said("message_handled")
    await cancelling
    evidence = await scene.auditor.check()
    assert evidence.commits == []
    assert len(evidence.foreign) == 2, "the first commit of the repository, and the one that closed the branch"


async def test_a_rollout_is_taken_up_within_5_s_of_the_silent_death_of_its_monitor(build: Build) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    silent, order = scene.dag.one("monitor"), scene.ci.order("env-00")
    async with monitoring(scene, order):
        await scene.dag.start(monitor=1)
        silent.freeze()
        await scene.dag.services["monitor"][1].said("rollout_watched", within=5)
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    await scene.auditor.check()


async def test_a_monitor_that_was_overtaken_while_frozen_changes_no_verdict(build: Build) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    frozen, order = scene.dag.one("monitor"), scene.ci.order("env-00")
    async with monitoring(scene, order):
        frozen.freeze()
        await scene.dag.start(monitor=1)
    assert (await scene.ci.follow(order).end()).status == "deployed"
    frozen.thaw()
    await frozen.said("message_handled")
    await scene.auditor.check()
