from __future__ import annotations

from itertools import pairwise

from examples import EVERY_EVENT, EVIDENCE, PUSHED, REQUESTED, TARGET, fresh_id, records_of

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import (
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    RolloutProgressed,
    RolloutSucceeded,
    ValidationStarted,
)
from dag_common.domain.deployment import Deployment
from dag_gateway.http import wire
from dag_gateway.http.streams import _missed
from dag_gateway.queries.folding import tell


def steps(*events: Event) -> list[bytes]:
    records = records_of(fresh_id(), *events)
    states = [tell(records[0].deployment_id, records[:count]) for count in range(len(records) + 1)]
    return [wire.step(before, after) for before, after in pairwise(states)]


def test_a_status_has_the_wire_form_of_the_reference() -> None:
    records = records_of(fresh_id(), REQUESTED, ValidationStarted())
    state = tell(records[0].deployment_id, records)
    assert wire.status(state) == (
        b'event: status\ndata: {"status":"validating","message":"Checking the chart before it is committed"}\nid: 2\n\n'
    )
    assert wire.status(state, retry_ms=2000).endswith(b"id: 2\nretry: 2000\n\n")


def test_a_heartbeat_is_an_event_with_empty_data() -> None:
    assert wire.heartbeat(3) == b"event: heartbeat\ndata: {}\nid: 3\n\n"


def test_a_commit_comes_before_its_status_under_the_id_of_the_version_before() -> None:
    *_, pushed = steps(REQUESTED, ValidationStarted(), PUSHED)
    commit, status, rest = pushed.split(b"\n\n")
    assert commit.splitlines()[0] == b"event: commit"
    assert commit.endswith(b"\nid: 2")
    assert PUSHED.commit.encode() in commit
    assert status.startswith(b'event: status\ndata: {"status":"pushed"')
    assert status.endswith(b"\nid: 3")
    assert rest == b""


def test_a_target_is_told_when_it_changes_and_only_then() -> None:
    progressed = RolloutProgressed(target=TARGET.id, message="upgrading")
    done = RolloutSucceeded(target=TARGET.id, message="runs", evidence=EVIDENCE)
    told = steps(
        REQUESTED, PUSHED, MonitoringStarted(targets=(TARGET.id,)), progressed, done, DeploymentSucceeded(message="ok")
    )
    assert [b"event: target" in block for block in told] == [False, False, False, True, True, False]
    assert b'"status":"progressing","message":"upgrading"' in told[3]
    assert b'"cluster":"prod","kind":"flux","namespace":"default","name":"podinfo","status":"succeeded"' in told[4]


def test_a_line_break_in_a_message_stays_inside_its_data_line() -> None:
    (_, told) = steps(REQUESTED, RolloutProgressed(target="t", message="one\ntwo\r\n\r\nevent: status"))
    assert len([line for line in told.split(b"\n") if line.startswith(b"event:")]) == 1


def test_every_cut_resumes_without_losing_or_repeating_a_status() -> None:
    records = records_of(fresh_id(), *EVERY_EVENT[:6])
    state = tell(records[0].deployment_id, records)
    for seen in range(len(records) + 1):
        statuses = [
            block
            for told in _missed(state, records, seen)
            for block in told.split(b"\n\n")
            if block.startswith(b"event: status")
        ]
        assert [int(block.rsplit(b"id: ", 1)[1]) for block in statuses] == list(range(seen + 1, len(records) + 1))


def test_an_event_of_a_newer_version_moves_the_place_and_nothing_else() -> None:
    first, second = records_of(fresh_id(), REQUESTED, ValidationStarted())
    strange = Recorded(**{name: getattr(second, name) for name in Recorded.__struct_fields__} | {"type": "pigeon.sent"})
    state = tell(first.deployment_id, [first, strange])
    assert (state.version, state.status) == (2, "pending")


def test_a_snapshot_of_something_new_is_empty() -> None:
    assert list(wire.snapshot(Deployment(id=fresh_id()))) == []
