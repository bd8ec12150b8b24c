"""A rollout that takes hours: handed over as often as in two hours, and its monitors come and go meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest
from acceptance.harness.charts import NAME
from acceptance.harness.scene import Build, Scene
from acceptance.harness.service import Service
from conditions import until

from dag_sandbox.cluster.resources import HELM_RELEASES

HELD_SECONDS = 1
HAND_OVERS = 12
"""As many as in two hours of the usual ten minutes each."""

LONGEST_GAP = 5.0


@dataclass
class Gaps:
    """How long nobody had the rollout in hand, on the database's clock, sampled all along."""

    seconds: list[float] = field(default_factory=list)

    async def sample(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Look for as long as there is something to be watched."""
        query = "SELECT extract(epoch FROM clock_timestamp() - touched_at)::float8 FROM dag.watch_todo"
        while (gap := await connection.fetchval(query)) is not None:
            self.seconds.append(gap)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sampled(scene: Scene) -> AsyncIterator[Gaps]:
    """Samples from now until nothing is to be watched any more, which the block has to bring about."""
    connection, gaps = await asyncpg.connect(scene.database_url), Gaps()
    try:
        async with asyncio.TaskGroup() as sampling:
            sampling.create_task(gaps.sample(connection))
            yield gaps
    finally:
        await connection.close()


@pytest.mark.timeout(180)
async def test_a_rollout_of_hours_is_watched_without_a_gap_whatever_becomes_of_its_monitors(build: Build) -> None:
    scene = await build(variables={"DAG_HOLD_SECONDS": str(HELD_SECONDS)})
    await scene.dag.start(gateway=1, pusher=1, monitor=2)
    suspend(scene, whether=True)
    order = scene.ci.order("env-00")
    await scene.ci.submit(order)
    await scene.log.until(order.deployment_id, "monitoring.started")
    async with sampled(scene) as gaps:
        for change in (kill, terminate, freeze) * 2:
            await taken_up(scene, after=watches(scene) + 1)
            await change(newest_watcher(scene), scene)
        await taken_up(scene, after=HAND_OVERS)
        suspend(scene, whether=False)
        journey = await scene.ci.follow(order).end()
    assert journey.status == "deployed", journey.story()
    assert max(gaps.seconds) <= LONGEST_GAP
    print(f"\n{watches(scene)} watches, {len(gaps.seconds)} samples, longest gap {max(gaps.seconds):.2f} s")  # noqa: T201 - the numbers a person asks for
    await scene.auditor.check()


def suspend(scene: Scene, *, whether: bool) -> None:
    """Flux begins nothing, or goes on."""
    namespace = scene.outside.landscape.watched.namespace
    scene.outside.cluster.merge_patch(HELM_RELEASES, namespace, NAME, {"spec": {"suspend": whether}})


async def kill(monitor: Service, scene: Scene) -> None:
    """It dies without a word, and comes back."""
    seen = watches(scene)
    await monitor.kill()
    await monitor.restart()
    await taken_up(scene, after=seen)


async def terminate(monitor: Service, scene: Scene) -> None:
    """It hands over what it has, and comes back."""
    seen = watches(scene)
    assert await monitor.terminate() == 0
    await monitor.restart()
    await taken_up(scene, after=seen)


async def freeze(monitor: Service, scene: Scene) -> None:
    """It stands still until another has taken over, and goes on as if nothing had been."""
    seen = watches(scene)
    monitor.freeze()
    await taken_up(scene, after=seen)
    monitor.thaw()


async def taken_up(scene: Scene, *, after: int) -> None:
    """Wait until the rollout was taken up more than so many times."""
    await until(lambda: watches(scene) > after)


def watches(scene: Scene) -> int:
    """How often a monitor has taken the rollout up."""
    return len(_taken_up(scene))


def newest_watcher(scene: Scene) -> Service:
    """The monitor that took it up last."""
    return max(_taken_up(scene), key=lambda each: each[0])[1]


def _taken_up(scene: Scene) -> list[tuple[str, Service]]:
    """When it was taken up, and by whom."""
    return [
        (json.loads(line)["timestamp"], monitor)
        for monitor in scene.dag.services["monitor"]
        for line in monitor.log.read_text().splitlines()
        if "rollout_watched" in line
    ]
