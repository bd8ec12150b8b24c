"""An event with its place in the log, as stored, published and exported."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from dag_common.contracts.events import DeploymentId, Event

STREAM_PREFIX = "deployment-"


def stream_of(deployment_id: DeploymentId) -> str:
    """The stream that holds one deployment's events."""
    return f"{STREAM_PREFIX}{deployment_id}"


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event about to be appended as `version` of its stream (the first is 1).

    Appending the same `event_id` again returns what was recorded before; another event at the same
    version is a `Conflict`.
    """

    event_id: str
    deployment_id: DeploymentId
    version: int
    event: Event
    occurred_at: datetime
    causation_id: str
    service: str
    traceparent: str = ""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the log. `position` is gapless over the whole log, `version` is gapless within the stream.

    `payload` is the exact text that was hashed. `hash` (hex) covers the record and, through the record
    before it, the whole log up to here.
    """

    position: int
    event_id: str
    stream: str
    version: int
    type: str
    schema: int
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: str
    causation_id: str
    service: str
    traceparent: str
    payload: str
    hash: str

    @property
    def deployment_id(self) -> DeploymentId:
        """The deployment this record belongs to."""
        return DeploymentId(self.stream.removeprefix(STREAM_PREFIX))


def canonical_bytes(record: Recorded) -> bytes:
    """What the hash covers: every field but the hash, one a line, the payload last.

    No field before the payload may hold a line break (the log's constraints refuse one), so the form is
    unambiguous. The log's append function in SQL writes the same bytes; a test holds the two together.
    """
    head = (
        str(record.position),
        record.event_id,
        record.stream,
        str(record.version),
        record.type,
        str(record.schema),
        instant(record.occurred_at),
        instant(record.recorded_at),
        record.correlation_id,
        record.causation_id,
        record.service,
        record.traceparent,
    )
    return "\n".join((*head, record.payload)).encode()


def chained_hash(previous: str, record: Recorded) -> str:
    """The hash of a record that follows the one whose hash is `previous` (hex; the log starts from 64 zeros)."""
    return hashlib.sha256(bytes.fromhex(previous) + canonical_bytes(record)).hexdigest()


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


GENESIS_HASH = "0" * 64
