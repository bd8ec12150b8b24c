"""All faults there are, and when they strike: drawn from a seed, each at least once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from acceptance.faults import broker, cluster, database, git_host, machine, processes, provider
from acceptance.faults.storm import Storm, Strike

FAULTS: tuple[Strike, ...] = (
    *processes.FAULTS,
    *broker.FAULTS,
    *database.FAULTS,
    *git_host.FAULTS,
    *cluster.FAULTS,
    *provider.FAULTS,
    *machine.FAULTS,
)
FRONTS = 2
"""Faults under way at the same time: what two do together is what nobody thought of."""

CALM_SECONDS = 0.4


class Weather:
    """The storm of one seed. `struck` counts each fault by its name."""

    def __init__(self, seed: int, *, rounds: int = 1, faults: Sequence[Strike] = FAULTS) -> None:
        self.struck: Counter[str] = Counter()
        self._draw = random.Random(f"weather {seed}")
        self._queue = [fault for _ in range(rounds) for fault in self._draw.sample(faults, len(faults))]
        self._faults = faults

    @property
    def forecast(self) -> list[str]:
        """The names of what is to strike, in order."""
        return [fault.__name__ for fault in self._queue]

    async def rage(self, storm: Storm) -> None:
        """Let everything strike."""
        async with asyncio.TaskGroup() as fronts:
            for number in range(FRONTS):
                fronts.create_task(self._front(storm), name=f"front {number}")

    def missing(self) -> list[str]:
        """Faults that never struck."""
        return [fault.__name__ for fault in self._faults if not self.struck[fault.__name__]]

    async def _front(self, storm: Storm) -> None:
        while self._queue:
            fault = self._queue.pop(0)
            draw = random.Random(self._draw.random())
            await asyncio.sleep(draw.uniform(0, CALM_SECONDS))
            async with storm.turns[fault.__module__]:
                self.struck[fault.__name__] += await fault(storm, draw)
