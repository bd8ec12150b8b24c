"""Deployments in and out of the log: load and fold, then append what was decided with the expected version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dag_common.contracts.envelope import NewEvent, Recorded
from dag_common.contracts.events import DeploymentId, Event
from dag_common.domain.deployment import Deployment, evolve, load
from dag_common.runtime.clock import now
from dag_common.runtime.ids import new_event_id
from dag_common.store import event_log
from dag_common.store.database import Database


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for a deployment in the state it was decided on."""

    deployment: Deployment
    events: Sequence[Event]


class Streams:
    """The deployments' streams, as one service reads and writes them."""

    def __init__(self, database: Database, service: str) -> None:
        self._database = database
        self._service = service

    async def load(self, deployment_id: DeploymentId) -> Deployment:
        """One deployment as it stands. Raises `Unreadable` for events of a newer version of DAG."""
        async with self._database.connection() as connection:
            return load(deployment_id, await event_log.read_stream(connection, deployment_id))

    async def load_records(self, deployment_ids: Collection[DeploymentId]) -> dict[DeploymentId, list[Recorded]]:
        """The records of several deployments in one question; fold each with `dag_common.domain.deployment.load`."""
        async with self._database.connection() as connection:
            records = await event_log.read_streams(connection, deployment_ids)
        return {key: list(group) for key, group in groupby(records, key=lambda record: record.deployment_id)}

    async def append(self, *decisions: Decision) -> list[Deployment]:
        """Append what was decided, all of it in one transaction, and return the deployments as they stand then.

        Raises `Conflict` when one of them moved on meanwhile: load again, decide again.
        """
        events = [event for decision in decisions for event in self._new_events(decision)]
        if not events:
            return [decision.deployment for decision in decisions]
        async with self._database.transaction() as connection:
            records = iter(await event_log.append(connection, events))
        return [_advanced(decision, records) for decision in decisions]

    def _new_events(self, decision: Decision) -> Iterator[NewEvent]:
        deployment, causation = decision.deployment, decision.deployment.last_event_id
        for version, event in enumerate(decision.events, start=deployment.version + 1):
            new = NewEvent(
                event_id=new_event_id(),
                deployment_id=deployment.id,
                version=version,
                event=event,
                occurred_at=now(),
                causation_id=causation,
                service=self._service,
                traceparent=deployment.traceparent,
            )
            yield new
            causation = new.event_id


def _advanced(decision: Decision, records: Iterator[Recorded]) -> Deployment:
    deployment = decision.deployment
    for _ in decision.events:
        deployment = evolve(deployment, next(records))
    return deployment
