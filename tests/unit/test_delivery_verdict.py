from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_common.delivery.verdict import RETRY_CAP_SECONDS, UNKNOWN_FAILURES, verdict_on
from dag_common.errors import Conflict, Invalid, Refused, Unavailable, Unreadable


def test_a_refusal_is_acknowledged_and_told() -> None:
    verdict = verdict_on(Refused("terminal", "the deployment has ended"), attempt=1)
    assert (verdict.outcome, verdict.retry_after, verdict.dead_because) == ("refused", None, "")
    assert verdict.reason == "terminal: the deployment has ended"


@given(st.integers(min_value=1, max_value=10_000))
def test_an_outage_is_waited_for_without_end_and_never_longer_than_the_cap(attempt: int) -> None:
    verdict = verdict_on(Unavailable("git is away"), attempt)
    assert verdict.outcome == "retried"
    assert verdict.retry_after is not None
    assert 0.5 <= verdict.retry_after < RETRY_CAP_SECONDS


def test_the_wait_for_an_outage_grows() -> None:
    first = verdict_on(Unavailable("away"), 1).retry_after
    later = verdict_on(Unavailable("away"), 6).retry_after
    assert first is not None
    assert later is not None
    assert first < 1
    assert later >= 16


def test_a_conflict_is_decided_again_at_once() -> None:
    verdict = verdict_on(Conflict("events_stream_version"), attempt=50)
    assert verdict.outcome == "retried"
    assert verdict.retry_after is not None
    assert verdict.retry_after <= 0.2


def test_what_cannot_be_read_is_set_aside_at_once() -> None:
    assert verdict_on(Unreadable("no such type"), attempt=1).dead_because == "no such type"


@pytest.mark.parametrize("error", [KeyError("planted-secret"), Invalid("a field is missing")])
def test_an_unforeseen_error_may_pass_twice_and_is_then_set_aside(error: Exception) -> None:
    for failures in range(UNKNOWN_FAILURES - 1):
        assert verdict_on(error, 50, failures).outcome == "retried"
    last = verdict_on(error, 50, UNKNOWN_FAILURES - 1)
    assert last.outcome == "dead_lettered"
    assert type(error).__name__ in last.dead_because
    assert "planted-secret" not in last.dead_because + last.reason
    assert last.fields()["exc_info"][1] is error
