"""The database or the broker is cut off or hangs: CI is told at once, and nothing is accepted that would only wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from acceptance.harness.ci import Order
from acceptance.harness.landscape import Landscape
from acceptance.harness.scene import Ground, Scene, scene
from servers.wire import Wire, wire_to


@dataclass(frozen=True, slots=True)
class Wired:
    """A scene whose services reach their servers by wires."""

    scene: Scene
    database: Wire
    broker: Wire


@pytest.fixture
async def wired(tmp_path: Path, database_url: str, amqp_url: str, amqp_namespace: str) -> AsyncIterator[Wired]:
    async with wire_to(database_url) as database, wire_to(amqp_url) as broker:
        ground = Ground(
            directory=tmp_path, database_url=database.url, amqp_url=broker.url, amqp_namespace=amqp_namespace
        )
        async with scene(ground, Landscape.of(environments=1, repositories=1, unwatched=1)) as built:
            yield Wired(built, database, broker)


@pytest.mark.parametrize(("server", "how"), [("database", "silence"), ("broker", "silence"), ("broker", "cut")])
async def test_what_is_refused_in_an_outage_is_taken_after_it_and_committed_once(
    wired: Wired, server: str, how: str
) -> None:
    scene, wire = wired.scene, getattr(wired, server)
    await scene.dag.start(gateway=1, pusher=1)
    assert (await scene.ci.deploy("env-00")).status == "deployed"
    getattr(wire, how)()
    order = await refused_order(scene)
    wire.cut()
    wire.speak()
    wire.mend()
    await scene.ci.submit(order)
    assert (await scene.ci.follow(order).end()).status == "deployed"
    accepted = {each.deployment_id for each in scene.ci.orders if each.deployment_id}
    assert set((await scene.auditor.check()).streams) == accepted


async def refused_order(scene: Scene) -> Order:
    """Order until the gateway refuses: what it took before it knew counts, and ends after the outage."""
    async with asyncio.timeout(20):
        while (await scene.ci.send(order := scene.ci.order("env-00"))).status == 200:
            pass
    assert order.answers[-1].status == 503, order.answers
    return order
