"""Two gateways, two pushers, two monitors on one database and one broker."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from acceptance.harness.ci import Order
from acceptance.harness.evidence import Evidence
from acceptance.harness.scene import Build, Scene

AT_ONCE = 24
SEED = 20_26


@pytest.mark.timeout(900)
async def test_replicas_share_the_work_and_each_environment_gets_its_deployments_in_order_each_once(
    build: Build, full_scale: bool
) -> None:
    deployments, environments = (200, 50) if full_scale else (40, 12)
    scene = await build(environments=environments, repositories=3, unwatched=environments // 6)
    await scene.dag.start(gateway=2, pusher=2, monitor=2)
    began = time.monotonic()
    orders = await deploy_at_random(scene, deployments)
    seconds = time.monotonic() - began
    evidence = await scene.auditor.check()
    assert len(evidence.streams) == len(evidence.commits) == deployments
    ends = [end_of(evidence, order) for order in orders]
    assert set(ends) <= {"deployed", "superseded"}
    for newest in newest_by_environment(evidence, orders):
        assert end_of(evidence, newest) == "deployed", newest.journeys[0].story()
    print(  # noqa: T201 - the numbers a person asks for
        f"\n{deployments} deployments to {environments} environments in 3 repositories: {seconds:.1f} s, "
        f"{ends.count('deployed')} deployed, {ends.count('superseded')} superseded, {len(evidence.log)} events"
    )


async def deploy_at_random(scene: Scene, deployments: int) -> list[Order]:
    """So many pipelines, at most `AT_ONCE` under way, to environments drawn at random but each at least once."""
    names = [place.environment for place in scene.outside.landscape.places]
    draw = random.Random(SEED)
    chosen = names + draw.choices(names, k=deployments - len(names))
    draw.shuffle(chosen)
    turn = asyncio.Semaphore(AT_ONCE)

    async def deploy(environment: str) -> Order:
        async with turn:
            order = scene.ci.order(environment)
            await scene.ci.submit(order)
            await scene.ci.follow(order).end()
        return order

    return await asyncio.gather(*(deploy(environment) for environment in chosen))


def end_of(evidence: Evidence, order: Order) -> str:
    """`deployed`, or the reason of the failure."""
    failure = evidence.fact(order.deployment_id, "deployment.failed")
    return str(failure["reason"]) if failure else order.journeys[0].status


def newest_by_environment(evidence: Evidence, orders: list[Order]) -> list[Order]:
    """The order with the highest position in each environment."""
    position = {order.deployment_id: evidence.streams[order.deployment_id][0].position for order in orders}
    newest: dict[str, Order] = {}
    for order in sorted(orders, key=lambda order: position[order.deployment_id]):
        newest[order.environment] = order
    return list(newest.values())
