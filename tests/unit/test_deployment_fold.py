from __future__ import annotations

from datetime import timedelta

import msgspec
from examples import EVERY_EVENT, PUSHED, REQUESTED, TARGET, fresh_id
from hypothesis import given
from hypothesis import strategies as st

from dag_common.contracts.codec import encode, stored_name
from dag_common.contracts.envelope import GENESIS_HASH, Recorded, stream_of
from dag_common.contracts.events import (
    DeploymentFailed,
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    PushStarted,
    ValidationStarted,
)
from dag_common.domain.deployment import Deployment, evolve, load
from dag_common.domain.statuses import Status
from dag_common.runtime.clock import now

ID = fresh_id()
START = now()


def records(*events: Event) -> list[Recorded]:
    return [_record(version, event) for version, event in enumerate(events, start=1)]


def _record(version: int, event: Event) -> Recorded:
    name, schema = stored_name(event)
    moment = START + timedelta(seconds=version)
    return Recorded(
        position=version * 10,
        event_id=f"event-{version}",
        stream=stream_of(ID),
        version=version,
        type=name,
        schema=schema,
        occurred_at=moment,
        recorded_at=moment,
        correlation_id=ID,
        causation_id="",
        service="test",
        traceparent="",
        payload=encode(event),
        hash=GENESIS_HASH,
    )


HAPPY = (
    REQUESTED,
    ValidationStarted(),
    PushStarted(attempt=1, base="aa"),
    PUSHED,
    MonitoringStarted(targets=(TARGET.id,)),
    DeploymentSucceeded(message="Deployment successful"),
)


def test_a_happy_deployment_goes_through_every_status_in_order() -> None:
    state, seen = Deployment(id=ID), []
    for record in records(*HAPPY):
        state = evolve(state, record)
        seen.append(state.status)
    assert seen == [
        Status.PENDING,
        Status.VALIDATING,
        Status.PUSHING,
        Status.PUSHED,
        Status.MONITORING,
        Status.DEPLOYED,
    ]


def test_nothing_follows_an_end() -> None:
    failed = DeploymentFailed(stage="pushing", reason="rejected", message="no")
    state = load(ID, records(REQUESTED, failed, DeploymentSucceeded(message="yes")))
    assert (state.status, state.message, state.failure) == (Status.FAILED, "no", failed)


def test_every_base_an_attempt_built_on_is_kept() -> None:
    state = load(ID, records(REQUESTED, PushStarted(attempt=1, base="aa"), PushStarted(attempt=2, base="bb")))
    assert (state.bases, state.push_attempts) == (("aa", "bb"), 2)


def test_an_unknown_deployment_does_not_exist() -> None:
    assert not load(ID, []).exists


@given(st.lists(st.sampled_from(EVERY_EVENT), max_size=12), st.data())
def test_redelivered_records_change_nothing(events: list[Event], data: st.DataObject) -> None:
    history = records(*events)
    noisy = [again for n, record in enumerate(history) for again in _with_redeliveries(history, n, record, data)]
    assert load(ID, noisy) == load(ID, history)


def _with_redeliveries(history: list[Recorded], n: int, record: Recorded, data: st.DataObject) -> list[Recorded]:
    return [record, *data.draw(st.lists(st.sampled_from(history[: n + 1]), max_size=2))]


@given(st.lists(st.sampled_from(EVERY_EVENT), max_size=12))
def test_the_status_never_leaves_an_end(events: list[Event]) -> None:
    state, ended = Deployment(id=ID), None
    for record in records(*events):
        state = evolve(state, record)
        assert ended is None or state.status == ended
        ended = state.status if state.ended else ended


def test_the_fold_needs_nothing_but_the_records() -> None:
    history = records(*HAPPY)
    copies = [msgspec.json.decode(msgspec.json.encode(record), type=Recorded) for record in history]
    assert load(ID, copies) == load(ID, history)
