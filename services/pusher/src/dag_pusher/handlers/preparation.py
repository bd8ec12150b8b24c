"""From a deployment's stored chart to the files that shall stand in git."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from dag_common.charts.archive import read_archive
from dag_common.charts.limits import DEFAULT
from dag_common.charts.version import stamp
from dag_common.errors import Invalid, NotFound, TooLarge
from dag_common.store import charts
from dag_common.store.database import Database
from dag_pusher.domain.batch import WaitingChart
from dag_pusher.domain.plan import Problem
from dag_pusher.handlers.intake import Waiting


class Preparation:
    """Reads, checks and stamps charts; one that cannot be used becomes a `Problem`, not an error."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, waiting: Waiting) -> WaitingChart:
        """The chart with its version stamped. Raises `Unavailable`."""
        deployment = waiting.deployment
        return WaitingChart(
            deployment_id=deployment.id,
            requested=waiting.requested,
            requested_at=waiting.request.recorded_at,
            position=waiting.request.position,
            log_head=waiting.request.hash,
            files=waiting.too_late or await self._files(waiting),
            bases=waiting.unsettled,
        )

    async def _files(self, waiting: Waiting) -> Mapping[str, bytes] | Problem:
        requested = waiting.requested
        serial = waiting.request.position if requested.unique_version else None
        limits = replace(DEFAULT, upload=max(DEFAULT.upload, requested.chart.size))  # the gateway took it, by its limit
        try:
            async with self._database.connection() as connection:
                content = await charts.get(connection, requested.chart.sha256)
            chart = await asyncio.to_thread(read_archive, content, limits)
            stamped = await asyncio.to_thread(stamp, chart, requested.version, serial=serial)
        except (Invalid, TooLarge, NotFound) as exc:
            return Problem("chart_unusable", exc.message)
        return stamped.files
