"""From a deployment's stored chart to the files that shall stand in git."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from dag_common.charts.archive import read_archive
from dag_common.charts.version import stamp
from dag_common.contracts.envelope import Recorded
from dag_common.domain.deployment import Deployment
from dag_common.errors import Invalid, NotFound, TooLarge
from dag_common.store import charts
from dag_common.store.database import Database
from dag_pusher.domain.batch import WaitingChart
from dag_pusher.domain.plan import Problem

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A deployment that waits to be pushed, and the record that asked for it."""

    deployment: Deployment
    request: Recorded


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chart ready to be committed, and the version stamped into it (empty if it has a problem)."""

    chart: WaitingChart
    chart_version: str


class Preparation:
    """Reads, checks and stamps charts; one that cannot be used becomes a `Problem`, not an error."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, waiting: Waiting) -> Prepared:
        """The chart with its version stamped. Raises `Unavailable` only."""
        requested = waiting.deployment.requested
        assert requested is not None, "a deployment on the list was requested"  # noqa: S101 - how the list is kept
        try:
            async with self._database.connection() as connection:
                content = await charts.get(connection, requested.chart.sha256)
            stamped = await asyncio.to_thread(lambda: stamp(read_archive(content), requested.version))
        except (Invalid, TooLarge, NotFound) as exc:
            return Prepared(_waiting_chart(waiting, Problem("chart_unusable", exc.message)), "")
        except (ValueError, LookupError, TypeError, ArithmeticError) as exc:
            log.exception("chart_preparation_failed", deployment_id=waiting.deployment.id)
            problem = Problem("internal_error", f"DAG could not prepare the chart ({type(exc).__name__}); see its logs")
            return Prepared(_waiting_chart(waiting, problem), "")
        return Prepared(_waiting_chart(waiting, stamped.files), stamped.chart_version)


def _waiting_chart(waiting: Waiting, files: Mapping[str, bytes] | Problem) -> WaitingChart:
    deployment = waiting.deployment
    assert deployment.requested is not None  # noqa: S101 - see above
    return WaitingChart(
        deployment_id=deployment.id,
        requested=deployment.requested,
        requested_at=waiting.request.recorded_at,
        position=waiting.request.position,
        log_head=waiting.request.hash,
        files=files,
        bases=deployment.bases,
    )
