"""A cancel races with a push that is on its way: the stream ends as what git holds, and whoever asked is told so."""

from __future__ import annotations

import asyncio

import httpx
from acceptance.harness.ci import Order
from acceptance.harness.landscape import PROJECT
from acceptance.harness.outside import pushes
from acceptance.harness.scene import Build, Scene


async def test_a_cancel_that_a_push_outruns_comes_too_late_and_one_whose_push_is_lost_ends_it(build: Build) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    assert await cancelled_while_pushing(scene, arrives=True) == (409, "deployed")
    assert await cancelled_while_pushing(scene, arrives=False) == (200, "failed")
    await scene.auditor.check()


async def cancelled_while_pushing(scene: Scene, *, arrives: bool) -> tuple[int, str]:
    """The answer to the cancel, and how the deployment ended."""
    order = scene.ci.order("env-00")
    gate = scene.outside.gates.git.hold(pushes)
    await scene.ci.submit(order)
    await gate.reached()
    asking = asyncio.create_task(cancel(scene, order))
    await scene.log.until(order.deployment_id, "cancellation.requested")
    if arrives:
        gate.open()
    else:
        gate.drop()
    answer = await asking
    journey = await scene.ci.follow(order).end()
    return answer.status_code, journey.status


async def cancel(scene: Scene, order: Order) -> httpx.Response:
    """As the job that asked for it."""
    job = {"repoUrl": scene.outside.gitlab.project_url(PROJECT), "jobId": order.job_id, "jobToken": order.token}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        return await http.post(f"{scene.dag.gateways[0]}/api/deployments/{order.deployment_id}/cancel", json=job)
