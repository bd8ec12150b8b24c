"""All faults there are, and when they strike: drawn from a seed, each at least once, deaths of processes more often."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from acceptance.faults import broker, cluster, database, git_host, late_pushes, machine, processes, provider
from acceptance.faults.storm import Storm, Strike

FAULTS: tuple[Strike, ...] = (
    *processes.FAULTS,
    *broker.FAULTS,
    *database.FAULTS,
    *git_host.FAULTS,
    *late_pushes.FAULTS,
    *cluster.FAULTS,
    *provider.FAULTS,
    *machine.FAULTS,
)
FRONTS = 2
"""Faults under way at the same time: what two do together is what nobody thought of."""

CALM_SECONDS = 0.4


class Weather:
    """The storm of one seed, in which each kind of process dies `deaths` times in each way.

    `struck` counts what each fault hit, by its name; `timeline` tells when each began and ended.
    """

    def __init__(self, seed: int, *, deaths: int = 1, faults: Sequence[Strike] = FAULTS) -> None:
        self.struck: Counter[str] = Counter()
        self.timeline: list[str] = []
        self._draw = random.Random(f"weather {seed}")
        self._queue = [*faults, *(fault for fault in processes.DEATHS for _ in range(deaths - 1) if fault in faults)]
        self._draw.shuffle(self._queue)
        self._began = 0.0

    @property
    def forecast(self) -> list[str]:
        """The names of what is to strike, in order."""
        return [fault.__name__ for fault in self._queue]

    async def rage(self, storm: Storm) -> None:
        """Let everything strike."""
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as fronts:
            for number in range(FRONTS):
                fronts.create_task(self._front(storm), name=f"front {number}")

    async def _front(self, storm: Storm) -> None:
        while self._queue:
            fault = self._queue.pop(0)
            draw = random.Random(self._draw.random())
            await asyncio.sleep(draw.uniform(0, CALM_SECONDS))
            async with storm.turns[fault.__module__]:
                await self._strike(fault, storm, draw)

    async def _strike(self, fault: Strike, storm: Storm, draw: random.Random) -> None:
        self._note(f"{fault.__name__} begins")
        hits = await fault(storm, draw)
        self._note(f"{fault.__name__} ends, {hits} hit")
        self.struck[fault.__name__] += hits

    def _note(self, what: str) -> None:
        self.timeline.append(f"{time.monotonic() - self._began:6.1f}  {what}")
