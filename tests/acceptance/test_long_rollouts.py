"""A rollout that takes hours: handed over as often as in two hours, and its monitors come and go meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from acceptance.harness.charts import NAME, chart_files
from acceptance.harness.scene import Build, Scene
from acceptance.harness.service import Service
from conditions import until

from dag_common.runtime import clock
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import HELM_RELEASES

HELD_SECONDS = 1
HAND_OVERS = 12
"""As many as in two hours of the usual ten minutes each."""

LONGEST_GAP = 5.0
TOLD_EVERY = 1.0
"""Progress is told at most once a second, so what is seen may be told so much later."""
STUCK = chart_files("stuck") | {"values.yaml": b"sandbox: {outcome: stuck}\n"}


@dataclass
class Ticks:
    """A sign of life that the cluster shows twice a second, and when each was written."""

    scene: Scene
    written: list[datetime] = field(default_factory=list)

    async def go_on(self) -> None:
        """Until cancelled."""
        while True:
            show(self.scene, {"Reconciling": f"tick {len(self.written)}"})
            self.written.append(clock.now())
            await asyncio.sleep(0.5)

    async def gaps(self, deployment_id: str) -> list[float]:
        """Seconds from each tick to the first record of it or of a later one."""
        told = [
            (int(found[1]), record.recorded_at)
            for record in await self.scene.log.stream(deployment_id)
            if (found := re.search(r"tick (\d+)", record.payload))
        ]
        last = max(number for number, _ in told)
        return [
            (min(at for number, at in told if number >= tick) - written).total_seconds()
            for tick, written in enumerate(self.written[: last + 1])
        ]


@pytest.mark.timeout(180)
async def test_a_rollout_of_hours_is_watched_without_a_gap_whatever_becomes_of_its_monitors(build: Build) -> None:
    scene = await build(variables={"DAG_HOLD_SECONDS": str(HELD_SECONDS)})
    await scene.dag.start(gateway=1, pusher=1, monitor=2)
    order, ticks = scene.ci.order("env-00", files=STUCK), Ticks(scene)
    await scene.ci.submit(order)
    await until(lambda: "Running 'upgrade'" in shown(scene) or "Running 'install'" in shown(scene))
    ticking = asyncio.create_task(ticks.go_on())
    for change in (kill, terminate, freeze) * 2:
        await taken_up(scene, after=watches(scene) + 1)
        await change(newest_watcher(scene), scene)
    await taken_up(scene, after=HAND_OVERS)
    ticking.cancel()
    show(scene, {"Ready": "no database", "Stalled": "Failed to upgrade after 1 attempt(s)"})
    journey = await scene.ci.follow(order).end()
    assert journey.status == "failed", journey.story()
    gaps = await ticks.gaps(order.deployment_id)
    print(f"\n{watches(scene)} watches, {len(gaps)} ticks, longest until told {max(gaps):.2f} s")  # noqa: T201 - the numbers a person asks for
    assert max(gaps) <= LONGEST_GAP + TOLD_EVERY
    await scene.auditor.check()


REASONS = {"Reconciling": "Progressing", "Ready": "UpgradeFailed", "Stalled": "RetriesExceeded"}


def show(scene: Scene, messages: dict[str, str]) -> None:
    """What Flux says of the release: these conditions, with these messages, and no others but Released."""
    place = HELM_RELEASES, scene.outside.landscape.watched.namespace, NAME
    now = scene.outside.cluster.get(*place)
    kept = [one for one in now["status"]["conditions"] if one["type"] not in REASONS]
    conditions = [
        {
            "type": type_,
            "status": "False" if type_ == "Ready" else "True",
            "reason": REASONS[type_],
            "message": message,
            "lastTransitionTime": timestamp(),
            "observedGeneration": now["metadata"]["generation"],
        }
        for type_, message in messages.items()
    ]
    scene.outside.cluster.merge_patch_status(*place, {"status": {"conditions": [*kept, *conditions]}})


def shown(scene: Scene) -> str:
    """All that Flux says of the release."""
    release = scene.outside.cluster.get(HELM_RELEASES, scene.outside.landscape.watched.namespace, NAME)
    return str(release.get("status"))


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
