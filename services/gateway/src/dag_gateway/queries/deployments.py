"""What became of deployments: one from its stream, many from the projection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_common.domain.deployment import Deployment
from dag_common.domain.statuses import Status
from dag_common.errors import Invalid, NotFound, Unreadable
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_gateway.queries.folding import told
from dag_gateway.queries.statements import statement
from dag_gateway.queries.targets import target_views
from dag_gateway.queries.views import (
    ChartView,
    CommitView,
    DeploymentPage,
    DeploymentSummary,
    DeploymentView,
    FailureView,
    HistoryEntry,
    IacView,
    JobView,
)

_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list holds; None: no matter."""

    app: str | None = None
    environment: str | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last deployment of the page before, by the log position of its request. Opaque to clients."""

    position: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """A cursor we handed out; raises `Invalid`."""
        if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
            raise Invalid("cursor is not one that an earlier page gave as next")
        return cls(int(text))

    def __str__(self) -> str:
        return str(self.position)


class DeploymentQueries:
    """Reads only; never decided from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(self, deployment_id: DeploymentId, after: int) -> list[Recorded]:
        """A deployment's records with a version above `after`."""
        async with self._database.connection() as connection:
            return await event_log.read_stream(connection, deployment_id, after=after)

    async def one(self, deployment_id: DeploymentId) -> DeploymentView:
        """Everything known about one deployment, from the log itself. Raises `NotFound`."""
        records = await self.records(deployment_id, 0)
        if not records:
            raise NotFound(f"There is no deployment {deployment_id}.")
        steps = list(_steps(deployment_id, records))
        return _view(steps[-1], records, [_entry(*pair) for pair in zip(steps, records, strict=True)])

    async def page(self, filters: Filters, cursor: Cursor | None, limit: int) -> DeploymentPage:
        """At most `limit` deployments, newest first."""
        before = _LARGEST if cursor is None else cursor.position
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("list_deployments"),
                filters.app,
                filters.environment,
                filters.status,
                before,
                limit + 1,
            )
        shown = [dict(row) for row in rows[:limit]]
        last = Cursor(shown[-1]["requested_position"]) if len(rows) > limit else None
        for row in shown:
            del row["requested_position"]
        return DeploymentPage(
            deployments=tuple(DeploymentSummary(**{**row, "status": Status(row["status"])}) for row in shown),
            next=None if last is None else str(last),
        )


def _steps(deployment_id: DeploymentId, records: Iterable[Recorded]) -> Iterator[Deployment]:
    state = Deployment(id=deployment_id)
    for record in records:
        state = told(state, record)
        yield state


def _entry(state: Deployment, record: Recorded) -> HistoryEntry:
    return HistoryEntry(
        version=record.version,
        position=record.position,
        type=record.type,
        status=state.status,
        message=state.message,
        recorded_at=record.recorded_at,
    )


def _view(state: Deployment, records: list[Recorded], history: list[HistoryEntry]) -> DeploymentView:
    request = state.requested
    if request is None:
        raise Unreadable(f"the request of deployment {state.id} was written by a newer version of DAG")
    return DeploymentView(
        id=state.id,
        status=state.status,
        message=state.message,
        app=request.app,
        environment=request.environment,
        version=request.version,
        repo_url=request.repo_url,
        branch=request.branch,
        commit=request.commit,
        job=_job(request),
        chart=ChartView(**{name: getattr(request.chart, name) for name in ChartView.__struct_fields__}),
        iac=IacView(**{name: getattr(request.iac, name) for name in IacView.__struct_fields__}),
        pushed=_pushed(state),
        targets=target_views(state),
        failure=_failure(state),
        requested_at=records[0].recorded_at,
        updated_at=records[-1].recorded_at,
        history=tuple(history),
    )


def _job(request: DeploymentRequested) -> JobView:
    who = request.requested_by
    return JobView(id=request.job.id, url=request.job.url, provider=who.provider, user=who.user)


def _pushed(state: Deployment) -> CommitView | None:
    pushed = state.pushed
    if pushed is None:
        return None
    return CommitView(
        sha=pushed.commit,
        url=pushed.commit_url,
        chart_version=pushed.chart_version,
        previous_chart_version=pushed.previous_chart_version,
        unchanged=pushed.unchanged,
    )


def _failure(state: Deployment) -> FailureView | None:
    failed = state.failure
    return None if failed is None else FailureView(stage=failed.stage, reason=failed.reason, message=failed.message)
