"""Events to stored text and back, and records to message bodies and back."""

from __future__ import annotations

import msgspec

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import STORED_NAMES, Event, Fact
from dag_common.contracts.upcasts import upcast
from dag_common.errors import Unreadable

_CLASSES: dict[str, tuple[type[Fact], int]] = {name: (cls, schema) for cls, (name, schema) in STORED_NAMES.items()}
_RECORD = msgspec.json.Decoder(Recorded)


def stored_name(event: Event) -> tuple[str, int]:
    """The type name and schema number an event is stored under."""
    return STORED_NAMES[type(event)]


def encode(event: Event) -> str:
    """The payload text: compact JSON, fields in declared order, so equal events give equal text."""
    return msgspec.json.encode(event).decode()


def decode(record: Recorded) -> Event:
    """The typed event of a record, older schemas upcast.

    Raises `Unreadable` for a type or schema this code does not know (a newer service wrote it) and for
    a payload that does not fit.
    """
    known = _CLASSES.get(record.type)
    if known is None:
        raise Unreadable(f"event {record.event_id} has the unknown type {record.type!r}")
    cls, current = known
    try:
        if record.schema == current:
            return msgspec.json.decode(record.payload, type=cls)  # type: ignore[return-value]
        schema, payload = upcast(record.type, record.schema, msgspec.json.decode(record.payload))
        if schema != current:
            raise Unreadable(
                f"event {record.event_id}: {record.type} schema {record.schema}, this code reads {current}"
            )
        return msgspec.convert(payload, cls)  # type: ignore[return-value]
    except msgspec.MsgspecError as exc:
        raise Unreadable(f"event {record.event_id} ({record.type}): {exc}") from exc


def encode_record(record: Recorded) -> bytes:
    """A record as a message body or a line of an export."""
    return msgspec.json.encode(record)


def decode_record(body: bytes) -> Recorded:
    """A message body back to the record; raises `Unreadable`."""
    try:
        return _RECORD.decode(body)
    except msgspec.MsgspecError as exc:
        raise Unreadable(f"message body is not an event record: {exc}") from exc
