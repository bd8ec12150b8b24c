"""One look at the workloads of a rollout that failed: bounded in time and size, and it changes no verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import structlog

from dag_common.contracts.events import RolloutTarget
from dag_monitor.cluster.clusters import Clusters
from dag_monitor.cluster.inspection import Inspection
from dag_monitor.domain.expectation import Objects

log = structlog.get_logger()


class _TooMany(Exception):
    """The turn did not come."""


SECONDS: Final = 5.0
AT_ONCE: Final = 2
"""Inspections in one cluster: what others want of it goes first."""
TURN_SECONDS: Final = 15.0
"""How long a failure is kept back for its turn, when many rollouts in one cluster fail together."""
NOT_LOOKED_AT: Final = "DAG did not look at its pods: too many rollouts of this cluster failed at the same time"


class Inspections:
    """Asks the registry's clusters what is wrong with a target."""

    def __init__(self, clusters: Clusters, *, seconds: float = SECONDS, turn_seconds: float = TURN_SECONDS) -> None:
        self._clusters = clusters
        self._seconds = seconds
        self._turn_seconds = turn_seconds
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def inspect(self, target: RolloutTarget, objects: Objects, pushed_at: datetime) -> tuple[str, ...]:
        """Lines for the message of the failure, from what was seen within the time; never raises."""
        if target.kind == "none":
            return ()
        try:
            entry, client = self._clusters.entry(target.cluster), self._clusters.client(target.cluster)
            inspection = Inspection(client, target, objects, pushed_at, logs=entry.logs)
            async with self._turn(target.cluster):
                await self._run(inspection, target)
            return inspection.lines()
        except _TooMany:
            log.warning("inspection_left_out", target=target.id, seconds=self._turn_seconds)
            return (NOT_LOOKED_AT,)
        except Exception as exc:
            log.warning("inspection_failed", target=target.id, exc_info=exc)
            return ()

    async def _run(self, inspection: Inspection, target: RolloutTarget) -> None:
        """Whatever was seen before the time was over is told."""
        try:
            async with asyncio.timeout(self._seconds):
                await inspection.run()
        except TimeoutError:
            log.warning("inspection_cut_short", target=target.id, seconds=self._seconds)

    @asynccontextmanager
    async def _turn(self, cluster: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(cluster, asyncio.Semaphore(AT_ONCE))
        try:
            async with asyncio.timeout(self._turn_seconds):
                await turns.acquire()
        except TimeoutError:
            raise _TooMany from None
        try:
            yield
        finally:
            turns.release()
