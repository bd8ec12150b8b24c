"""One run: an installation, traffic, a storm, and the auditor."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from acceptance.faults import late_pushes, said
from acceptance.faults.ends import end_of, unfounded
from acceptance.faults.ground import breakable
from acceptance.faults.settled import nothing_is_stuck
from acceptance.faults.storm import Storm
from acceptance.faults.supervisor import Supervisor
from acceptance.faults.traffic import Traffic
from acceptance.faults.weather import Weather
from acceptance.harness.evidence import Evidence
from acceptance.harness.landscape import Landscape
from acceptance.harness.scene import scene
from acceptance.harness.service import STEPPABLE_CLOCK

SHARED = Landscape.of(environments=30, repositories=4, unwatched=6, superseding=8)
"""Where the traffic goes, and where others push."""

LANDSCAPE = Landscape((*SHARED.places, *late_pushes.PLACES), "2s")
REPLICAS = {"gateway": 2, "pusher": 2, "monitor": 2}
VARIABLES = {"DAG_DRAIN_SECONDS": "5", STEPPABLE_CLOCK: "yes"}
"""Everything else is as in production."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens in a run: accepted deployments at least, under way at once, deaths of each kind of process."""

    deployments: int
    at_once: int = 16
    deaths: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    `seconds` are those of the traffic; `unfounded` ends and `unforeseen` errors are wrong; `story` is for whoever
    looks for their cause.
    """

    seed: int
    seconds: float
    ends: Counter[str]
    struck: Counter[str]
    restarts: int
    foreign_pushes: int
    unfounded: list[str]
    unforeseen: list[str]
    story: str
    evidence: Evidence


async def run(seed: int, size: Size, directory: Path) -> Outcome:
    """Let the storm of a seed rage over an installation.

    Fails if the auditor finds anything wrong afterwards or something is stuck; every failure tells what had struck by
    then, and where the logs are.
    """
    weather = Weather(seed, deaths=size.deaths)
    with _explained(weather, directory):
        async with _installed(directory) as storm:
            traffic = Traffic(storm.scene, SHARED, seed, deployments=size.deployments, at_once=size.at_once)
            seconds = await _through(storm, weather, traffic)
            await nothing_is_stuck(storm)
            evidence = await storm.scene.auditor.check()
    return Outcome(
        seed=seed,
        seconds=seconds,
        ends=Counter(end_of(evidence, one) for one in evidence.order_of),
        struck=weather.struck,
        restarts=storm.supervisor.restarts,
        foreign_pushes=traffic.foreign_pushes,
        unfounded=unfounded(evidence, storm.rejecting),
        unforeseen=said.unforeseen(storm.scene.dag.directory),
        story=_story(weather, directory),
        evidence=evidence,
    )


@contextmanager
def _explained(weather: Weather, directory: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as exc:
        exc.add_note(_story(weather, directory))
        raise


def _story(weather: Weather, directory: Path) -> str:
    return "\n".join([f"What struck, by seconds (all logs are in {directory}):", *weather.timeline])


@asynccontextmanager
async def _installed(directory: Path) -> AsyncIterator[Storm]:
    """An installation at work on servers of its own."""
    async with breakable(directory) as (ground, servers), scene(ground, LANDSCAPE, VARIABLES) as built:
        await built.dag.start(**REPLICAS)
        yield Storm(scene=built, servers=servers, supervisor=Supervisor(built.dag))


async def _through(storm: Storm, weather: Weather, traffic: Traffic) -> float:
    """Traffic flows until the storm is over and every pipeline has come to its end; returns the seconds it took."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(storm.supervisor.run()), group.create_task(traffic.push_foreign_commits())]
        raging = group.create_task(weather.rage(storm))
        flowing = group.create_task(traffic.flow(raging.done))
        await asyncio.wait((raging, flowing))
        for task in beside:
            task.cancel()
    return time.monotonic() - began
