"""`kill -9` of each service at every moment of a deployment, then its restart."""

from __future__ import annotations

import pytest
from acceptance.harness import moments
from acceptance.harness.installation import KINDS
from acceptance.harness.scene import Build, Scene

NO_SWEEP = {"DAG_SWEEP_SECONDS": "3600"}
"""Nothing but the broker can tell the replica: the to-do lists are looked at when it starts, and then not again."""

STATUSES = (moments.pending, moments.validating, moments.pushing, moments.pushed, moments.monitoring)
MOMENTS = {
    "gateway": (moments.verifying, moments.recording, *STATUSES),
    "pusher": (*STATUSES, moments.arrived),
    "monitor": STATUSES,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_service_comes_back_and_the_deployment_ends_right_with_one_commit(
    kind: str, build: Build
) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    for moment in MOMENTS[kind]:
        try:
            await kill_at(moment, kind, scene)
        except Exception as exc:
            exc.add_note(f"the {kind} was killed at the moment {moment.__name__}")
            raise
    evidence = await scene.auditor.check()
    assert len(evidence.commits) == len(MOMENTS[kind])


async def kill_at(moment: moments.Moment, kind: str, scene: Scene) -> None:
    order = scene.ci.order("env-00")
    async with moment(scene, order):
        early = scene.ci.follow(order) if order.deployment_id else None
        if early is not None:
            await early.until("pending")
        await scene.dag.one(kind).kill()
        await scene.dag.one(kind).restart()
    readers = [scene.ci.follow(order), *([early] if early else [])]
    for reader in readers:
        journey = await reader.end()
        assert journey.status == "deployed", journey.story()


async def test_a_pusher_takes_over_what_a_killed_one_had_in_hand(build: Build) -> None:
    scene = await build(unwatched=1, variables=NO_SWEEP)
    await scene.dag.start(gateway=1, pusher=1)
    for moment in (moments.pushing, moments.arrived):
        await replace_at(moment, "pusher", scene)
    assert len((await scene.auditor.check()).commits) == 2


async def test_a_monitor_takes_over_what_a_killed_one_had_in_hand(build: Build) -> None:
    scene = await build(variables=NO_SWEEP)
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    await replace_at(moments.monitoring, "monitor", scene)
    assert len((await scene.auditor.check()).commits) == 1


async def replace_at(moment: moments.Moment, kind: str, scene: Scene) -> None:
    """A second one comes up while the first has the deployment in hand; then the first is killed for good."""
    order = scene.ci.order("env-00")
    async with moment(scene, order):
        await scene.dag.start(**{kind: 1})
        await next(service for service in scene.dag.services[kind] if service.running).kill()
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", f"{moment.__name__}\n{journey.story()}"
