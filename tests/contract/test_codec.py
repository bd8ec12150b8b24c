from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from examples import EVERY_EVENT, PUSHED, REQUESTED, requested
from hypothesis import given
from hypothesis import strategies as st

from dag_common.contracts.codec import decode, decode_record, encode, encode_record, stored_name
from dag_common.contracts.envelope import GENESIS_HASH, Recorded, chained_hash
from dag_common.contracts.events import STORED_NAMES, WRITERS, Event, RolloutProgressed
from dag_common.contracts.upcasts import upcast
from dag_common.errors import Unreadable
from dag_common.runtime.clock import now

GOLDEN = Path(__file__).parent / "golden"


def recorded(event: Event, **changes: Any) -> Recorded:
    type_name, schema = stored_name(event)
    values: dict[str, Any] = {
        "position": 1,
        "event_id": "01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a",
        "stream": "deployment-01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7b",
        "version": 1,
        "type": type_name,
        "schema": schema,
        "occurred_at": now(),
        "recorded_at": now(),
        "correlation_id": "c",
        "causation_id": "",
        "service": "gateway",
        "traceparent": "",
        "payload": encode(event),
        "hash": GENESIS_HASH,
    }
    return Recorded(**(values | changes))


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
def test_every_event_survives_storing_and_reading(event: Event) -> None:
    assert decode(decode_record(encode_record(recorded(event)))) == event


@given(target=st.text(), message=st.text())
def test_any_text_survives_storing_and_reading(target: str, message: str) -> None:
    event = RolloutProgressed(target=target, message=message)
    assert decode(decode_record(encode_record(recorded(event)))) == event


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_everything_ever_stored_still_decodes(file: Path) -> None:
    type_name, schema = file.stem.rsplit(".", 1)
    event = decode(recorded(REQUESTED, type=type_name, schema=int(schema), payload=file.read_text()))
    assert stored_name(event)[0] == type_name


def test_every_stored_name_and_schema_has_a_golden_file() -> None:
    kept = {file.stem for file in GOLDEN.glob("*.json")}
    assert {f"{name}.{schema}" for name, schema in STORED_NAMES.values()} <= kept


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
def test_todays_events_are_still_written_as_the_golden_file_says(event: Event) -> None:
    name, schema = stored_name(event)
    assert encode(event) == (GOLDEN / f"{name}.{schema}.json").read_text().strip()


def test_what_an_environment_asks_for_travels_in_the_request_and_is_left_out_where_it_asks_nothing() -> None:
    assert '"unique_version":true' in encode(requested(unique_version=True))
    assert "unique_version" not in encode(REQUESTED)


def test_what_a_workload_carries_travels_with_its_progress_and_is_left_out_of_others() -> None:
    told = RolloutProgressed(target="t", message="m", carries="helm.sh/chart=podinfo-1.2.3", generation=4)
    assert decode(recorded(told)) == told
    assert encode(RolloutProgressed(target="t", message="m")) == '{"target":"t","message":"m"}'


def test_every_event_type_has_a_writer() -> None:
    assert {name for name, _ in STORED_NAMES.values()} == set(WRITERS)


def test_older_schemas_are_lifted_one_step_at_a_time() -> None:
    steps = {
        ("chart.pushed", 1): lambda payload: payload | {"branch": "main"},
        ("chart.pushed", 2): lambda payload: payload | {"tree": payload["branch"].upper()},
    }
    assert upcast("chart.pushed", 1, {"a": 1}, steps) == (3, {"a": 1, "branch": "main", "tree": "MAIN"})
    assert upcast("chart.pushed", 3, {"a": 1}, steps) == (3, {"a": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "chart.eaten"},
        {"schema": 99},
        {"payload": "{"},
        {"payload": '{"app": 1}'},
        {"payload": "[]"},
    ],
)
def test_what_this_code_cannot_read_is_unreadable_not_a_crash(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a"):
        decode(recorded(REQUESTED, **changes))


@given(st.binary(max_size=200))
def test_no_message_body_raises_anything_but_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_record(body)


def test_a_field_added_by_a_newer_writer_is_ignored() -> None:
    payload = msgspec.json.decode(encode(REQUESTED)) | {"colour": "blue"}
    assert decode(recorded(REQUESTED, payload=msgspec.json.encode(payload).decode())) == REQUESTED


@pytest.mark.parametrize("field", [name for name in Recorded.__struct_fields__ if name != "hash"])
def test_the_hash_covers_every_field(field: str) -> None:
    record = recorded(REQUESTED)
    value = getattr(record, field)
    other = value + 1 if isinstance(value, int) else value + "x" if isinstance(value, str) else value.replace(year=1999)
    assert chained_hash(GENESIS_HASH, record) != chained_hash(
        GENESIS_HASH, msgspec.structs.replace(record, **{field: other})
    )


def test_the_app_version_before_travels_with_a_push_and_is_left_out_where_there_was_none() -> None:
    told = msgspec.structs.replace(PUSHED, previous_app_version="1.2.2")
    assert decode(recorded(told)) == told
    assert "previous_app_version" not in encode(PUSHED)
