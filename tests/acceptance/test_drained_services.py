"""SIGTERM when more is in hand than can be finished: the process ends within its bound, and others finish the rest."""

from __future__ import annotations

import asyncio
import socket

import pytest
from acceptance.harness.installation import KINDS
from acceptance.harness.interventions import purge_queue
from acceptance.harness.moments import pushing, verifying
from acceptance.harness.outside import pushes
from acceptance.harness.scene import Build

from dag_common.bus.amqp_topology import Topology
from dag_common.contracts.topology import PUSHER_QUEUE
from dag_common.delivery.projector import caught_up
from dag_common.runtime.lifecycle import INTERRUPTED
from dag_common.store.database import Database

NO_SWEEP = {"DAG_SWEEP_SECONDS": "3600"}
"""Whatever is handed back has to be handed back by the broker: nobody looks for it."""

SOON = {**NO_SWEEP, "DAG_DRAIN_SECONDS": "0.5"}
BOUND = 10.0
"""Seconds within which a process that may drain for half a second has to be gone, on a machine that is busy."""


async def test_a_pusher_told_to_stop_leaves_a_silent_git_host_and_another_finishes_the_push(build: Build) -> None:
    scene = await build(unwatched=1, variables=SOON)
    await scene.dag.start(gateway=1, pusher=1)
    order = scene.ci.order("env-00")
    async with pushing(scene, order):
        await scene.dag.start(pusher=1)
        assert await scene.dag.one("pusher").terminate(within=BOUND) == 0
        journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    assert len((await scene.auditor.check()).commits) == 1


async def test_a_pusher_told_to_stop_begins_no_further_push_and_another_goes_on_with_the_branch(build: Build) -> None:
    scene = await build(environments=2, unwatched=2, variables=NO_SWEEP)
    await scene.dag.start(gateway=1, pusher=1)
    leaving = scene.dag.one("pusher")
    held, behind = scene.ci.order("env-00"), scene.ci.order("env-01")
    async with pushing(scene, held):
        await scene.ci.submit(behind)
        await scene.dag.start(pusher=1)
        ending = asyncio.create_task(leaving.terminate())
        await leaving.said("stop_requested")
    assert await ending == 0
    for order in (held, behind):
        assert (await scene.ci.follow(order).end()).status == "deployed"
    assert leaving.log.read_text().count("chart_pushed") == 1
    await scene.auditor.check()


async def test_a_pusher_told_to_stop_finishes_the_push_that_a_sweep_began(
    build: Build, database: Database, amqp_url: str, amqp_namespace: str
) -> None:
    scene = await build(unwatched=1, variables=NO_SWEEP)
    await scene.dag.start(gateway=1, pusher=1)
    pusher, order = scene.dag.one("pusher"), scene.ci.order("env-00")
    await pusher.kill()
    await scene.ci.submit(order)
    await caught_up(database, "relay", to=1, within=20)
    await purge_queue(amqp_url, Topology(amqp_namespace).name(PUSHER_QUEUE))
    gate = scene.outside.gates.git.hold(pushes)
    await pusher.restart()
    await gate.reached()
    ending = asyncio.create_task(pusher.terminate())
    await pusher.said("stop_requested")
    gate.open()
    assert await ending == 0
    assert (await scene.ci.follow(order).end()).status == "deployed"
    assert len((await scene.auditor.check()).commits) == 1


async def test_a_monitor_told_to_stop_leaves_a_silent_cluster_and_another_watches_on(build: Build) -> None:
    scene = await build(variables=SOON)
    await scene.dag.start(gateway=1, pusher=1, monitor=1)
    gate = scene.outside.gates.cluster.hold(lambda request: "dag" in request.headers["user-agent"])
    order = scene.ci.order("env-00")
    await scene.ci.submit(order)
    await gate.reached()
    await scene.dag.start(monitor=1)
    assert await scene.dag.one("monitor").terminate(within=BOUND) == 0
    journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    await scene.auditor.check()


async def test_a_gateway_told_to_stop_answers_503_where_the_provider_is_silent_and_another_takes_the_request(
    build: Build,
) -> None:
    scene = await build(unwatched=1, variables=SOON)
    await scene.dag.start(gateway=2, pusher=1)
    leaving, order = scene.dag.one("gateway"), scene.ci.order("env-00")
    async with verifying(scene, order):
        assert await leaving.terminate(within=BOUND) == 0
    assert (order.answers[0].gateway, order.answers[0].status) == (leaving.url, 503)
    assert (await scene.ci.follow(order).end()).status == "deployed"
    await scene.auditor.check()


async def test_a_gateway_told_to_stop_finishes_the_request_in_hand(build: Build) -> None:
    scene = await build(unwatched=1)
    await scene.dag.start(gateway=2, pusher=1)
    leaving, order = scene.dag.one("gateway"), scene.ci.order("env-00")
    async with verifying(scene, order):
        ending = asyncio.create_task(leaving.terminate())
        await leaving.silent()
    assert await ending == 0
    assert [(answer.gateway, answer.status) for answer in order.answers] == [(leaving.url, 200)]
    assert (await scene.ci.follow(order).end()).status == "deployed"
    await scene.auditor.check()


async def test_a_process_that_drains_takes_nothing_new_and_the_log_is_relayed_all_the_same(build: Build) -> None:
    scene = await build(environments=2, repositories=2, unwatched=2, variables={**NO_SWEEP, "DAG_DRAIN_SECONDS": "600"})
    await scene.dag.start(pusher=1)
    leaving = scene.dag.one("pusher")
    await leaving.said('"leading"')
    await scene.dag.start(gateway=1, pusher=1)
    held = scene.ci.order("env-00")
    async with pushing(scene, held):
        ending = asyncio.create_task(leaving.terminate())
        await leaving.said("stop_requested")
        for _ in range(4):
            assert (await scene.ci.deploy("env-01")).status == "deployed"
        assert not ending.done()
    assert await ending == 0
    assert (await scene.ci.follow(held).end()).status == "deployed"
    assert (await scene.ci.deploy("env-01")).status == "deployed"
    await scene.auditor.check()


async def test_a_process_told_twice_to_stop_ends_at_once(build: Build) -> None:
    scene = await build(unwatched=1, variables={"DAG_DRAIN_SECONDS": "600"})
    await scene.dag.start(gateway=1, pusher=1)
    pusher = scene.dag.one("pusher")
    async with pushing(scene, order := scene.ci.order("env-00")):
        first = asyncio.create_task(pusher.terminate())
        await pusher.said("stop_requested")
        assert (await pusher.terminate(within=BOUND), await first) == (INTERRUPTED, INTERRUPTED)
    await pusher.restart()
    assert (await scene.ci.follow(order).end()).status == "deployed"
    assert len((await scene.auditor.check()).commits) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_process_told_to_stop_while_it_starts_ends_well(kind: str, build: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        address = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/dag"
        scene = await build(variables={"DAG_DATABASE_URL": address})
        service = await scene.dag.add(kind).start()
        async with asyncio.timeout(30):
            connection, _ = await asyncio.get_running_loop().sock_accept(silent)
        with connection:
            assert await service.terminate(within=BOUND) == 0
