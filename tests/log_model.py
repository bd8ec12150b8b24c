"""The event log in memory: what `dag.append_events` and the lists promise, for properties that need many runs.

It stands in for the connection, so everything above it (`Streams`, `event_log`, `todo`, `charts`, `requests`) is real.
That it answers as Postgres does is held by `tests/contract/test_log_model.py`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dag_common.contracts.envelope import GENESIS_HASH, STREAM_PREFIX, Recorded, chained_hash
from dag_common.errors import Conflict, Unavailable
from dag_common.runtime import clock
from dag_common.store.statements import statement

Row = dict[str, Any]
Gate = Callable[[str], Awaitable[str]]
"""Told what is about to happen; says what goes wrong: "" nothing, "lost" before it, "unanswered" after it."""

ENDS = {"deployment.succeeded", "deployment.failed"}


@dataclass
class LogModel:
    """The tables. A transaction works on a copy; committing it is one assignment."""

    records: list[Recorded] = field(default_factory=list)
    push_todo: dict[str, Row] = field(default_factory=dict)
    watch_todo: dict[str, int] = field(default_factory=dict)
    charts: dict[str, bytes] = field(default_factory=dict)
    requests: dict[str, Row] = field(default_factory=dict)

    def copied(self) -> LogModel:
        return LogModel(*(copy(table) for table in vars(self).values()))

    def stream(self, stream: str) -> list[Recorded]:
        return [record for record in self.records if record.stream == stream]

    def append_events(self, batch: str) -> list[Row]:
        return [_row(self._append(item)) for item in json.loads(batch)]

    def read_stream(self, stream: str, after: int) -> list[Row]:
        return [_row(record) for record in self.stream(stream) if record.version > after]

    def read_streams(self, streams: list[str]) -> list[Row]:
        return [_row(record) for stream in sorted(set(streams)) for record in self.stream(stream)]

    def to_push(self, repository: str, branch: str, limit: int, after: int) -> list[Row]:
        lane = [row for row in self.push_todo.values() if (row["repository"], row["branch"]) == (repository, branch)]
        lane.sort(key=lambda row: int(row["position"]))
        return [self._entry(row, lane) for row in lane if row["position"] > after][:limit]

    def claim_request(self, key: str, deployment_id: str, fingerprint: str) -> list[Row]:
        if key in self.requests:
            return []
        self.requests[key] = {"deployment_id": deployment_id, "fingerprint": fingerprint}
        return [self.requests[key]]

    def read_request(self, key: str) -> list[Row]:
        return [self.requests[key]]

    def put_chart(self, sha256: str, content: bytes) -> list[Row]:
        self.charts.setdefault(sha256, content)
        return []

    def get_chart(self, sha256: str) -> list[Row]:
        return [{"content": self.charts[sha256]}] if sha256 in self.charts else []

    def _append(self, item: Row) -> Recorded:
        known = next((record for record in self.records if record.event_id == item["event_id"]), None)
        if known is not None:
            if (known.stream, known.version) != (item["stream"], item["version"]):
                raise Conflict(f"events_event_id: {known.event_id} is recorded elsewhere")
            return known
        newest = len(self.stream(item["stream"]))
        if newest + 1 != item["version"]:
            raise Conflict(f"events_stream_version: {item['stream']} stands at {newest}, not before {item['version']}")
        lane = item.pop("lane", None)
        moment = datetime.fromisoformat(item.pop("occurred_at"))
        position = len(self.records) + 1
        record = Recorded(**item, position=position, occurred_at=moment, recorded_at=clock.now(), hash="")
        previous = self.records[-1].hash if self.records else GENESIS_HASH
        fields = {name: getattr(record, name) for name in Recorded.__struct_fields__}
        self.records.append(Recorded(**(fields | {"hash": chained_hash(previous, record)})))
        self._keep_todo(self.records[-1], lane)
        return self.records[-1]

    def _keep_todo(self, record: Recorded, lane: Row | None) -> None:
        id_ = record.deployment_id
        if record.type == "deployment.requested":
            _put("push_todo", self.push_todo, id_, {"deployment_id": id_, "position": record.position} | (lane or {}))
        if record.type == "chart.pushed" or record.type in ENDS:
            self.push_todo.pop(id_, None)
        if record.type == "chart.pushed":
            _put("watch_todo", self.watch_todo, id_, record.position)
        if record.type in ENDS:
            self.watch_todo.pop(id_, None)

    def _entry(self, row: Row, lane: list[Row]) -> Row:
        newer = [
            each["deployment_id"]
            for each in lane
            if each["supersede"] and each["environment"] == row["environment"] and each["position"] > row["position"]
        ]
        named = {name: row[name] for name in ("deployment_id", "position", "repository", "branch")}
        waited = (clock.now() - self.records[row["position"] - 1].recorded_at).total_seconds()
        return named | {"superseded_by": newer[-1] if newer else None, "waited": waited}


STATEMENTS = {
    statement(name): getattr(LogModel, name)
    for name in (
        "append_events", "read_stream", "read_streams", "to_push", "claim_request", "read_request", "put_chart",
        "get_chart",
    )
}  # fmt: skip


class ModelDatabase:
    """`Database`, with one connection after the other; every use of it passes the gate first."""

    def __init__(self, gate: Gate) -> None:
        self.log = LogModel()
        self._gate = gate

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[ModelConnection]:
        if await self._gate("read"):
            raise Unavailable("the database was lost")
        yield ModelConnection(self.log)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[ModelConnection]:
        fault = await self._gate("write")
        if fault == "lost":
            raise Unavailable("the database was lost before the commit")
        connection = ModelConnection(self.log.copied())
        yield connection
        self.log = connection.log
        if fault:
            raise Unavailable("the database was lost after the commit")


class ModelConnection:
    """Answers the statements of the store by their names."""

    def __init__(self, log: LogModel) -> None:
        self.log = log

    async def fetch(self, query: str, *arguments: Any) -> list[Row]:
        rows: list[Row] = STATEMENTS[query](self.log, *arguments)
        return rows

    async def fetchrow(self, query: str, *arguments: Any) -> Row | None:
        return next(iter(await self.fetch(query, *arguments)), None)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        row = await self.fetchrow(query, *arguments)
        return next(iter(row.values())) if row else None

    async def execute(self, query: str, *arguments: Any) -> None:
        await self.fetch(query, *arguments)


def stream_name(deployment_id: str) -> str:
    return f"{STREAM_PREFIX}{deployment_id}"


def _put(name: str, table: dict[str, Any], key: str, entry: Any) -> None:
    if key in table:
        raise Conflict(f"{name}_deployment: {key} is on the list already")
    table[key] = entry


def _row(record: Recorded) -> Row:
    fields = {name: getattr(record, name) for name in Recorded.__struct_fields__}
    return fields | {"hash": bytes.fromhex(record.hash)}
