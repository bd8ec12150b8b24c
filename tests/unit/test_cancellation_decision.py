from __future__ import annotations

import pytest
from examples import EVERY_EVENT, PUSHED, REQUESTED, TARGET, fresh_id, records_of
from hypothesis import given
from hypothesis import strategies as st

from dag_common.contracts.events import (
    CancellationRequested,
    DeploymentFailed,
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    PushStarted,
    ValidationStarted,
)
from dag_common.domain.deployment import Deployment, load
from dag_common.errors import Refused
from dag_gateway.domain.cancellation import CANCELLED, cancel

ID = fresh_id()
CHECKED = ValidationStarted()
STARTED = PushStarted(attempt=1, base="aa")
WATCHED = MonitoringStarted(targets=(TARGET.id,))
WISH = CancellationRequested(by="ada")
REJECTED = DeploymentFailed(stage="pushing", reason="rejected", message="pre-receive hook declined")


def end(stage: str, by: str = "ada") -> DeploymentFailed:
    return DeploymentFailed(stage=stage, reason="cancelled", message=f"Cancelled by {by}")


def after(*events: Event) -> Deployment:
    return load(ID, records_of(ID, REQUESTED, *events))


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((), (WISH, end("pending"))),
        ((CHECKED,), (WISH, end("validating"))),
        ((CHECKED, STARTED), (WISH,)),
        ((CHECKED, STARTED, PushStarted(attempt=2, base="bb")), (WISH,)),
        ((CHECKED, STARTED, CancellationRequested(by="bob")), ()),
        ((CancellationRequested(by="bob"),), (end("pending", "bob"),)),
        ((WISH, end("pending")), ()),
        ((CHECKED, STARTED, WISH, end("pushing")), ()),
    ],
)
def test_what_is_recorded_depends_on_how_far_the_push_is(
    history: tuple[Event, ...], expected: tuple[Event, ...]
) -> None:
    assert cancel(after(*history), "ada") == expected


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ((CHECKED, STARTED, PUSHED), f"stands at pushed and its chart was committed as {PUSHED.commit}"),
        ((CHECKED, STARTED, WISH, PUSHED), "stands at pushed"),
        ((CHECKED, STARTED, PUSHED, WATCHED), "stands at monitoring"),
        ((CHECKED, STARTED, PUSHED, DeploymentSucceeded(message="runs")), "deploy the previous version"),
        ((CHECKED, STARTED, PUSHED, end("monitoring")), "stands at failed and its chart was committed"),
        ((CHECKED, STARTED, REJECTED), "has failed: pre-receive hook declined"),
    ],
)
def test_it_is_too_late_once_the_chart_is_in_git_or_the_deployment_ended_on_its_own(
    history: tuple[Event, ...], said: str
) -> None:
    with pytest.raises(Refused, match=said) as caught:
        cancel(after(*history), "ada")
    assert caught.value.reason == "too_late"


@given(st.lists(st.sampled_from(EVERY_EVENT), max_size=8))
def test_whatever_happened_a_cancel_is_refused_or_ends_it_or_leaves_it_to_the_push(history: list[Event]) -> None:
    before = [REQUESTED, *history]
    state = load(ID, records_of(ID, *before))
    try:
        events = cancel(state, "ada")
    except Refused:
        assert state.pushed is not None or state.ended
        return
    then = load(ID, records_of(ID, *before, *events))
    assert then.cancellation is not None or then.ended
    assert (then.failure is not None and then.failure.reason == CANCELLED) or then.push_attempts > 0
    assert cancel(then, "bob") == (), "asking again changes nothing"
