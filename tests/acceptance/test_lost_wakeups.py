"""A message is only a wake-up: what no message tells of is found on the to-do lists."""

from __future__ import annotations

import pytest
from acceptance.harness import moments
from acceptance.harness.interventions import purge_queue
from acceptance.harness.scene import Build

from dag_common.bus.amqp_topology import Topology
from dag_common.contracts.topology import MONITOR_QUEUE, PUSHER_QUEUE
from dag_common.delivery.projector import caught_up
from dag_common.store.database import Database


@pytest.mark.parametrize(("moment", "queue"), [(moments.pending, PUSHER_QUEUE), (moments.pushed, MONITOR_QUEUE)])
async def test_a_deployment_whose_message_an_operator_purged_ends_right(
    moment: moments.Moment, queue: str, build: Build, amqp_url: str, amqp_namespace: str
) -> None:
    scene = await build()
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    order = scene.ci.order("env-00")
    async with moment(scene, order):
        await until_relayed(scene.database_url, len(await scene.log.stream(order.deployment_id)))
        assert await purge_queue(amqp_url, Topology(amqp_namespace).name(queue)) == 1
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    assert len((await scene.auditor.check()).commits) == 1


async def until_relayed(database_url: str, position: int) -> None:
    """Wait until the relay has carried everything up to a position to the broker."""
    database = await Database.connect(database_url, max_size=1)
    try:
        await caught_up(database, "relay", to=position, within=20)
    finally:
        await database.close()
