"""One run: an installation, traffic, a storm, and the auditor."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.faults.ground import breakable
from acceptance.faults.storm import Storm
from acceptance.faults.supervisor import Supervisor
from acceptance.faults.traffic import Traffic
from acceptance.faults.weather import Weather
from acceptance.harness.ci import Order
from acceptance.harness.evidence import Evidence
from acceptance.harness.landscape import Landscape
from acceptance.harness.scene import scene
from acceptance.harness.service import STEPPABLE_CLOCK

LANDSCAPE = Landscape(Landscape.of(environments=30, repositories=4, unwatched=6, superseding=8).places, "2s")
REPLICAS = {"gateway": 2, "pusher": 2, "monitor": 2}
VARIABLES = {"DAG_DRAIN_SECONDS": "5", STEPPABLE_CLOCK: "yes"}
"""Everything else is as in production."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens in a run: accepted deployments at least, under way at once, strikes of each fault at least."""

    deployments: int
    at_once: int = 16
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    seconds: float
    ends: Counter[str]
    struck: Counter[str]
    missing: list[str]
    restarts: int
    foreign_pushes: int
    evidence: Evidence


async def run(seed: int, size: Size, directory: Path) -> Outcome:
    """Let the storm of a seed rage over an installation; fails if the auditor finds anything wrong afterwards."""
    weather, began = Weather(seed, rounds=size.rounds), time.monotonic()
    async with AsyncExitStack() as stack:
        storm = await stack.enter_async_context(_installed(directory))
        traffic = Traffic(storm.scene, seed, deployments=size.deployments, at_once=size.at_once)
        await _through(storm, weather, traffic)
        evidence = await storm.scene.auditor.check()
        ends = Counter(end_of(evidence, order) for order in evidence.orders if order.deployment_id)
        restarts = storm.supervisor.restarts
    seconds = time.monotonic() - began
    return Outcome(seed, seconds, ends, weather.struck, weather.missing(), restarts, traffic.foreign_pushes, evidence)


@asynccontextmanager
async def _installed(directory: Path) -> AsyncIterator[Storm]:
    """An installation at work on servers of its own."""
    async with breakable(directory) as (ground, servers), scene(ground, LANDSCAPE, VARIABLES) as built:
        await built.dag.start(**REPLICAS)
        yield Storm(scene=built, servers=servers, supervisor=Supervisor(built.dag))


async def _through(storm: Storm, weather: Weather, traffic: Traffic) -> None:
    """Traffic flows until the storm is over and every pipeline has come to its end."""
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(storm.supervisor.run()), group.create_task(traffic.push_foreign_commits())]
        raging = group.create_task(weather.rage(storm))
        flowing = group.create_task(traffic.flow(raging.done))
        await asyncio.wait((raging, flowing))
        for task in beside:
            task.cancel()


def end_of(evidence: Evidence, order: Order) -> str:
    """`deployed`, or the reason of the failure."""
    failure = evidence.fact(order.deployment_id, "deployment.failed")
    return str(failure["reason"]) if failure else "deployed"
