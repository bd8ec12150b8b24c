"""The event log: append with the expected version, read by stream and by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from dag_common.contracts.codec import encode, stored_name
from dag_common.contracts.envelope import NewEvent, Recorded, instant, stream_of
from dag_common.contracts.events import WRITERS, ChartPushed, DeploymentId, DeploymentRequested
from dag_common.store.database import Connection, mapped_errors
from dag_common.store.statements import statement


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log: the newest position (0: empty) and its hash in hex."""

    position: int
    hash: str


async def append(connection: Connection, events: Sequence[NewEvent]) -> list[Recorded]:
    """Append a batch, to one stream or many, in the caller's transaction; returns the records in the same order.

    Each event's `version` must be its stream's next; otherwise `Conflict`: load and decide again. An
    `event_id` that is recorded already gives its record back and writes nothing.
    """
    batch = msgspec.json.encode([_row(event) for event in events]).decode()
    with mapped_errors():
        return _records(await connection.fetch(statement("append_events"), batch))


async def read_stream(connection: Connection, deployment_id: DeploymentId, *, after: int = 0) -> list[Recorded]:
    """A deployment's records with a version above `after`, in order; empty if there is no such deployment."""
    return _records(await connection.fetch(statement("read_stream"), stream_of(deployment_id), after))


async def read_streams(connection: Connection, deployment_ids: Iterable[DeploymentId]) -> list[Recorded]:
    """All records of several deployments, stream by stream, each in order."""
    return _records(await connection.fetch(statement("read_streams"), [stream_of(each) for each in deployment_ids]))


async def read_log(connection: Connection, *, after: int, limit: int) -> list[Recorded]:
    """At most `limit` records with a position above `after`, in order, without a gap."""
    return _records(await connection.fetch(statement("read_log"), after, limit))


async def read_type(connection: Connection, type_name: str, *, after: int, limit: int) -> list[Recorded]:
    """At most `limit` records of one stored type with a position above `after`, in order."""
    return _records(await connection.fetch(statement("read_type"), type_name, after, limit))


async def newest_of_type(
    connection: Connection, deployment_ids: Iterable[DeploymentId], type_name: str
) -> list[Recorded]:
    """The newest record of one stored type of each deployment that has one, in no order."""
    streams = [stream_of(each) for each in deployment_ids]
    return _records(await connection.fetch(statement("newest_of_type"), streams, type_name))


async def pushes_of_tree(connection: Connection, tree: str, *, before: int, limit: int) -> list[Recorded]:
    """At most `limit` records of `chart.pushed` with this tree id and a position below `before`, newest first."""
    return _records(await connection.fetch(statement("pushes_of_tree"), before, tree, limit))


async def pushes_to_path(connection: Connection, push: ChartPushed, *, before: int, limit: int) -> list[Recorded]:
    """At most `limit` records of `chart.pushed` to the place of this one and below `before`, newest first."""
    place = {"repository": push.repository, "branch": push.branch, "path": push.path}
    said = msgspec.json.encode(place).decode().strip("{}")
    return _records(await connection.fetch(statement("pushes_to_path"), before, said, limit))


async def head(connection: Connection) -> Head:
    """Where the log ends now."""
    row = await connection.fetchrow(statement("read_head"))
    assert row is not None, "the head row is made by the first migration"  # noqa: S101 - an invariant of the schema
    return Head(row["position"], row["hash"])


def _row(new: NewEvent) -> dict[str, object]:
    type_name, schema = stored_name(new.event)
    if new.service not in WRITERS[type_name]:
        raise ValueError(f"{new.service} does not write {type_name}")
    row: dict[str, object] = {
        "event_id": new.event_id,
        "stream": stream_of(new.deployment_id),
        "version": new.version,
        "type": type_name,
        "schema": schema,
        "occurred_at": instant(new.occurred_at),
        "correlation_id": str(new.deployment_id),
        "causation_id": new.causation_id,
        "service": new.service,
        "traceparent": new.traceparent,
        "payload": encode(new.event),
    }
    if isinstance(new.event, DeploymentRequested):
        row["lane"] = _lane(new.event)
    return row


def _lane(requested: DeploymentRequested) -> dict[str, object]:
    """What the to-do list of pushes keeps of a request."""
    return {
        "repository": requested.iac.repository,
        "branch": requested.iac.branch,
        "environment": f"{requested.app}/{requested.environment}",
        "supersede": requested.supersede,
    }


def _records(rows: Iterable[asyncpg.Record]) -> list[Recorded]:
    return [_record(dict(row)) for row in rows]


def _record(row: dict[str, Any]) -> Recorded:
    return Recorded(**(row | {"event_id": str(row["event_id"]), "hash": row["hash"].hex()}))
