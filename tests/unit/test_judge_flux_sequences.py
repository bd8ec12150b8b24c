"""Whole write sequences of helm-controller, call by call: conditions first, then the rest of the status.

fluxcd/pkg runtime/patch/patch.go makes separate calls, so a watcher sees objects that never were. The watches of
HelmRelease and HelmChart are not ordered against each other either: every pair of moments may be seen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from flux_objects import CHART, EARLIER, RELEASE, REPOSITORY, STATES, TARGET, expectation, flux, merged
from hypothesis import given
from hypothesis import strategies as st

from dag_monitor.domain.expectation import Expectation, Objects, Ref, Relation
from dag_monitor.domain.flux import assess
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Verdict

Status = dict[str, Any]
RUNNING = "Running 'upgrade' action with timeout of 5m0s"
FAILED = "Helm upgrade failed for release default/podinfo with chart podinfo@1.2.3: context deadline exceeded"
ROLLED_BACK = "Helm rollback to previous release default/podinfo.v3 with chart podinfo@1.2.2 succeeded"
DONE = "Helm upgrade succeeded for release default/podinfo.v4 with chart podinfo@1.2.3"


def is_(type_: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def busy(message: str, reason: str = "Progressing") -> dict[str, str]:
    return is_("Reconciling", "True", reason, message)


def entry(number: int, version: str, status: str, action: str = "upgrade") -> Status:
    return {
        "version": number, "chartName": "podinfo", "chartVersion": version, "status": status, "action": action,
        "lastDeployed": f"2026-09-01T10:0{number}:00Z" if number > 3 else "2026-08-30T09:00:05Z",
    }  # fmt: skip


V3 = entry(3, "1.2.2", "deployed")
V3_OLD = entry(3, "1.2.2", "superseded")
WAS_READY = is_("Ready", "True", "UpgradeSucceeded", "Helm upgrade succeeded … podinfo@1.2.2")
WAS_RELEASED = WAS_READY | {"type": "Released"}
TRYING = is_("Ready", "Unknown", "Progressing", RUNNING)
RELEASE_FAILED = is_("Released", "False", "UpgradeFailed", FAILED)
NOT_READY = is_("Ready", "False", "UpgradeFailed", FAILED)
REMEDIATED = is_("Remediated", "True", "RollbackSucceeded", ROLLED_BACK)
ROLLED = is_("Ready", "False", "RollbackSucceeded", ROLLED_BACK)
GIVEN_UP = is_("Stalled", "True", "RetriesExceeded", "Failed to upgrade after 2 attempt(s)")

BEFORE: Status = {
    "observedGeneration": 4,
    "lastAttemptedRevision": "1.2.2",
    "helmChart": "flux-system/default-podinfo",
    "history": [V3],
    "conditions": [WAS_READY, WAS_RELEASED],
}
PREREQUISITES: Status = {"conditions": [busy("Fulfilling prerequisites"), WAS_READY, WAS_RELEASED]}
ATTEMPTED: Status = {
    "conditions": [busy(RUNNING), TRYING, WAS_RELEASED],
    "lastAttemptedRevision": "1.2.3",
    "failures": None,
    "upgradeFailures": None,
}
RELEASED: Status = {
    "conditions": [is_("Ready", "True", "UpgradeSucceeded", DONE), is_("Released", "True", "UpgradeSucceeded", DONE)],
    "history": [entry(4, "1.2.3", "deployed"), V3_OLD],
    "failures": None,
    "upgradeFailures": None,
}
BROKE: Status = {
    "conditions": [busy(RUNNING), NOT_READY, RELEASE_FAILED],
    "history": [entry(4, "1.2.3", "failed"), V3],
    "failures": 1,
    "upgradeFailures": 1,
}
ROLLING: Status = {"conditions": [busy("Running 'rollback' action with timeout of 5m0s"), NOT_READY, RELEASE_FAILED]}
BACK: Status = {
    "conditions": [busy(ROLLED_BACK, "ProgressingWithRetry"), ROLLED, RELEASE_FAILED, REMEDIATED],
    "history": [entry(5, "1.2.2", "deployed", "rollback"), entry(4, "1.2.3", "failed"), V3_OLD],
}
AGAIN: Status = {"conditions": [busy(RUNNING), TRYING, RELEASE_FAILED]}
SECOND_BROKE: Status = BROKE | {
    "history": [entry(6, "1.2.3", "failed"), entry(5, "1.2.2", "deployed", "rollback")],
    "failures": 2,
}
SECOND_BACK: Status = {
    "conditions": [GIVEN_UP, ROLLED, RELEASE_FAILED, REMEDIATED],
    "history": [entry(7, "1.2.2", "deployed", "rollback"), entry(6, "1.2.3", "failed")],
}
SECOND_RELEASED: Status = RELEASED | {
    "history": [entry(6, "1.2.3", "deployed"), entry(5, "1.2.2", "superseded", "rollback")]
}
STALLED_BEFORE: Status = {
    "conditions": [GIVEN_UP, NOT_READY, RELEASE_FAILED],
    "history": [entry(3, "1.2.2", "failed")],
    "failures": 3,
    "upgradeFailures": 3,
}
FLAPPING: Status = {"conditions": [busy("Fulfilling prerequisites"), ROLLED, RELEASE_FAILED, REMEDIATED]}
WAITING: Status = {
    "conditions": [
        busy("Fulfilling prerequisites"),
        is_("Ready", "False", "DependencyNotReady", "dependency 'default/redis' is not ready"),
        WAS_RELEASED,
    ]
}
RENDER: Status = {
    "conditions": [busy(FAILED, "ProgressingWithRetry"), NOT_READY, RELEASE_FAILED],
    "failures": 1,
    "upgradeFailures": None,
}

CLEAN = [PREREQUISITES, ATTEMPTED, RELEASED]
SEQUENCES: dict[str, tuple[list[Status], type[Verdict]]] = {
    "clean success": (CLEAN, Succeeded),
    "dependency first": ([PREREQUISITES, WAITING, *CLEAN], Succeeded),
    "after a stall of the version before": ([STALLED_BEFORE, *CLEAN], Succeeded),
    "failure, rollback, given up": (
        [
            PREREQUISITES,
            ATTEMPTED,
            BROKE,
            ROLLING,
            BACK,
            AGAIN,
            SECOND_BROKE,
            ROLLING,
            SECOND_BACK,
            FLAPPING,
            SECOND_BACK,
        ],
        Failed,
    ),
    "failure, then success on retry": (
        [PREREQUISITES, ATTEMPTED, BROKE, ROLLING, BACK, AGAIN, SECOND_RELEASED],
        Succeeded,
    ),
    "render error": ([PREREQUISITES, ATTEMPTED, RENDER], Progressing),
}
PATIENT = msgspec.structs.replace(TARGET, fail_after=0)


def calls(steps: list[Status]) -> Iterator[Status]:
    """The object's status after every single API call."""
    status = copy.deepcopy(BEFORE)
    yield status
    for step in steps:
        for part in ({"conditions": step["conditions"]}, {k: v for k, v in step.items() if k != "conditions"}):
            status = merged(status, part)
            yield status


def charts() -> list[Any]:
    earlier = {"observedSourceArtifactRevision": f"main@sha1:{EARLIER}", "artifact": {"revision": "1.2.2"}}
    ours = flux("before")[CHART]["status"]
    building = ours | {"artifact": {"revision": "1.2.2"}, "conditions": [busy("building artifact")]}
    return [earlier, building, ours]


def seen(status: Any, chart: Any) -> dict[Ref, Any]:
    objects = flux("before")
    objects[RELEASE]["status"] = status
    objects[CHART]["status"] = chart
    return objects


def patient() -> Expectation:
    return expectation(target=PATIENT, relations={EARLIER: Relation.ANCESTOR})


@pytest.mark.parametrize("name", SEQUENCES)
def test_nothing_but_the_last_call_is_a_success(name: str) -> None:
    steps, _ = SEQUENCES[name]
    *unfinished, _last = calls(steps)
    for status in unfinished:
        for chart in charts():
            assert not isinstance(assess(seen(status, chart), patient()), Succeeded), status


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_last_call_gives_the_verdict(name: str) -> None:
    steps, verdict = SEQUENCES[name]
    *_, last = calls(steps)
    assert isinstance(assess(seen(last, charts()[-1]), patient()), verdict)


@pytest.mark.parametrize("name", [name for name, (_, verdict) in SEQUENCES.items() if verdict is Succeeded])
def test_a_sequence_that_ends_well_never_looks_failed_to_the_patient(name: str) -> None:
    steps, _ = SEQUENCES[name]
    for status in calls(steps):
        for chart in charts():
            assert not isinstance(assess(seen(status, chart), patient()), Failed), status


def test_failing_fast_fails_at_the_first_call_that_proves_it() -> None:
    steps, _ = SEQUENCES["failure, then success on retry"]
    verdicts = [assess(seen(status, charts()[-1]), expectation()) for status in calls(steps)]
    first = next(place for place, verdict in enumerate(verdicts) if isinstance(verdict, Failed))
    states = list(calls(steps))
    assert "failures" not in states[first - 1]
    assert states[first]["failures"] == 1


def test_the_version_before_ours_going_on_is_never_taken_for_ours() -> None:
    ours = expectation(chart_version="1.2.4", previous_chart_version="1.2.3")
    for steps, _ in SEQUENCES.values():
        for status in calls(steps):
            assert isinstance(assess(seen(status, charts()[-1]), ours), Progressing)


@st.composite
def _mutilated(draw: st.DrawFn) -> Objects:
    objects = flux(draw(st.sampled_from(STATES)))
    for ref in draw(st.sets(st.sampled_from([RELEASE, CHART, REPOSITORY]))):
        objects[ref] = draw(_damage(objects[ref]))
    return objects


def _damage(value: Any) -> st.SearchStrategy[Any]:
    """Parts taken away, replaced by another type, or shuffled."""
    odd: st.SearchStrategy[Any] = st.sampled_from([None, "", 0, -1, True, [], {}])
    if isinstance(value, dict):
        kept = st.fixed_dictionaries({}, optional={k: st.one_of(st.just(v), _damage(v)) for k, v in value.items()})
        return st.one_of(st.just(value), kept, odd)
    if isinstance(value, list):
        return st.one_of(st.permutations(value), st.just(value[1:]), odd)
    return st.one_of(st.just(value), odd)


@given(_mutilated())
def test_damaged_objects_never_raise(objects: Objects) -> None:
    assert assess(objects, expectation()).message


@given(_mutilated())
def test_no_damage_makes_a_success_without_our_release(objects: Objects) -> None:
    history = (objects[RELEASE] or {}).get("status") if isinstance(objects[RELEASE], dict) else None
    latest = (history or {}).get("history") if isinstance(history, dict) else None
    first = latest[0] if isinstance(latest, list) and latest else {}
    if isinstance(assess(objects, expectation()), Succeeded):
        assert (first["chartVersion"], first["status"]) == ("1.2.3", "deployed")
