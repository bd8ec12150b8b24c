"""Which other contents of a path its targets may still run, as far as the log knows."""

from __future__ import annotations

from typing import Final

from dag_common.contracts.codec import decode
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import ChartPushed, DeploymentId, DeploymentRequested, Event
from dag_common.domain.deployment import Deployment
from dag_common.errors import Unreadable
from dag_common.store import event_log
from dag_common.store.database import Connection, Database
from dag_monitor.domain.expectation import Earlier
from dag_monitor.domain.pushes import Past, may_still_run

LOOKED_BACK: Final = 50
"""Earlier pushes to the path looked at; only one of whose deployment none since succeeded is needed."""


async def earlier_contents(database: Database, deployment: Deployment) -> tuple[Earlier, ...]:
    """What lay at the path before, the newest first; () for a deployment whose targets name no workload."""
    requested, pushed = deployment.requested, deployment.pushed
    if requested is None or pushed is None or not any(target.kind == "workload" for target in requested.targets):
        return ()
    async with database.connection() as connection:
        records = await event_log.pushes_to_path(
            connection, pushed, before=deployment.pushed_position, limit=LOOKED_BACK
        )
        past = await _past(connection, records)
    return may_still_run(past, pushed, frozenset(target.id for target in requested.targets))


async def _past(connection: Connection, records: list[Recorded]) -> list[Past]:
    ids = [record.deployment_id for record in records]
    asked = await _facts(connection, ids, "deployment.requested")
    succeeded = await _facts(connection, ids, "deployment.succeeded")
    return [
        Past(
            fact,
            request if isinstance(request := asked.get(record.deployment_id), DeploymentRequested) else None,
            succeeded=record.deployment_id in succeeded,
        )
        for record in records
        if isinstance(fact := _fact(record), ChartPushed)
    ]


async def _facts(connection: Connection, ids: list[DeploymentId], type_: str) -> dict[DeploymentId, Event | None]:
    records = await event_log.newest_of_type(connection, ids, type_) if ids else []
    return {record.deployment_id: _fact(record) for record in records}


def _fact(record: Recorded) -> Event | None:
    """None for a fact of a newer version of DAG."""
    try:
        return decode(record)
    except Unreadable:
        return None
