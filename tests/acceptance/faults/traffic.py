"""The pipelines that run through the storm: what each wants is drawn from the seed and its number."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from acceptance.faults.storm import ENDS_WITHIN
from acceptance.harness.ci import AGAIN, Order
from acceptance.harness.landscape import Landscape
from acceptance.harness.scene import Scene

FOREIGN_SECONDS = 1.0


class Traffic:
    """Pipelines, `at_once` under way, until `deployments` were accepted and `calm` says that the storm is over.

    They go to the environments of `landscape`, in whose repositories others push as well.
    """

    def __init__(self, scene: Scene, landscape: Landscape, seed: int, *, deployments: int, at_once: int) -> None:
        self.foreign_pushes = 0
        self._scene = scene
        self._landscape = landscape
        self._seed = seed
        self._deployments = deployments
        self._at_once = at_once
        self._numbers = 0

    async def flow(self, calm: Callable[[], bool]) -> None:
        """Every lane takes the next pipeline as soon as it has finished one."""
        async with asyncio.TaskGroup() as lanes:
            for number in range(self._at_once):
                lanes.create_task(self._lane(calm), name=f"lane {number}")

    async def push_foreign_commits(self) -> None:
        """Somebody else pushes to one of the repositories every second, for ever."""
        repositories = self._landscape.repositories
        while True:
            name = repositories[self.foreign_pushes % len(repositories)]
            content = f"{self.foreign_pushes}\n".encode()
            await self._scene.outside.git.commit(name, {"foreign/notes.txt": content})
            self.foreign_pushes += 1
            await asyncio.sleep(FOREIGN_SECONDS)

    async def _lane(self, calm: Callable[[], bool]) -> None:
        while not calm() or self._accepted() < self._deployments:
            self._numbers += 1
            draw = random.Random(f"pipeline {self._seed} {self._numbers}")
            environment = draw.choice(self._landscape.places).environment
            await draw.choices(WISHES, WEIGHTS)[0](self._scene, environment, draw)

    def _accepted(self) -> int:
        return sum(1 for order in self._scene.ci.orders if order.deployment_id)


async def _deploys(scene: Scene, environment: str, _draw: random.Random) -> None:
    """As most pipelines do."""
    order = scene.ci.order(environment)
    await scene.ci.submit(order)
    await scene.ci.follow(order).end(within=ENDS_WITHIN)


async def _deploys_impatiently(scene: Scene, environment: str, draw: random.Random) -> None:
    """Sends the request several times at once, and reads with two readers."""
    order = scene.ci.order(environment)
    await asyncio.gather(*(scene.ci.submit(order) for _ in range(draw.randint(2, 4))))
    readers = [scene.ci.follow(order) for _ in range(2)]
    await asyncio.gather(*(reader.end(within=ENDS_WITHIN) for reader in readers))


async def _deploys_the_same_again(scene: Scene, environment: str, _draw: random.Random) -> None:
    """Two jobs send the same chart to the same environment."""
    first = scene.ci.order(environment)
    await scene.ci.submit(first)
    second = scene.ci.order(first.environment, version=first.version, files=first.files)
    await scene.ci.submit(second)
    for order in (first, second):
        await scene.ci.follow(order).end(within=ENDS_WITHIN)


async def _deploys_and_regrets(scene: Scene, environment: str, draw: random.Random) -> None:
    """Cancels a moment later."""
    order = scene.ci.order(environment)
    await scene.ci.submit(order)
    reader = scene.ci.follow(order)
    await asyncio.sleep(draw.choice([0.0, 0.05, 0.2, 0.5]))
    await scene.ci.cancel(order)
    await reader.end(within=ENDS_WITHIN)


async def _is_refused(scene: Scene, environment: str, draw: random.Random) -> None:
    """Sends what must not be taken."""
    order = scene.ci.order(environment)
    flaw, expected = draw.choice(FLAWS)
    flaw(scene, order)
    while (answer := await scene.ci.send(order)).status in AGAIN:  # noqa: ASYNC110 - as CI does
        await asyncio.sleep(0.2)
    assert answer.status == expected, f"{flaw.__name__}: {answer}"


def _wrong_token(_scene: Scene, order: Order) -> None:
    order.token = "not-the-token"


def _finished_job(scene: Scene, order: Order) -> None:
    scene.outside.gitlab.finish_job(int(order.job_id))


def _no_chart(_scene: Scene, order: Order) -> None:
    order.files = {"readme.txt": b"no chart"}


def _nowhere(_scene: Scene, order: Order) -> None:
    order.environment = "env-nowhere"


FLAWS = ((_wrong_token, 401), (_finished_job, 401), (_no_chart, 400), (_nowhere, 404))
WISHES = (_deploys, _deploys_impatiently, _deploys_the_same_again, _deploys_and_regrets, _is_refused)
WEIGHTS = (76, 6, 6, 6, 6)
