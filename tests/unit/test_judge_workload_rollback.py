"""When the judge of kind workload says that our chart was taken back, by what the log has of earlier sights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from flux_objects import OURS, TARGET
from flux_objects import expectation as flux_expectation
from hypothesis import given
from hypothesis import strategies as st
from rollout_states import PUSHED_AT, after, pushed

from dag_common.contracts.events import MonitoringStarted, RolloutFailed, RolloutProgressed
from dag_common.domain.deployment import Carried
from dag_monitor.domain.expectation import Earlier, Expectation, Later, Ref, expect
from dag_monitor.domain.rollout import Sight, decide
from dag_monitor.domain.verdict import Failed, Progressing, Superseded, Verdict
from dag_monitor.domain.workload import assess

KEY, VERSION = "helm.sh/chart", "app.kubernetes.io/version"
BEFORE, SEEN = Carried(f"{KEY}=podinfo-1.2.2", 3), Carried(f"{KEY}=podinfo-1.2.3", 4)
DEPLOYMENT = Ref("Deployment", "default", "podinfo")


def expectation(*carried: Carried, fail_after: int = 1, **changes: Any) -> Expectation:
    target = msgspec.structs.replace(TARGET, kind="workload", name="podinfo", fail_after=fail_after)
    return flux_expectation(**({"target": target, "app_version": "1.2.3", "carried": carried} | changes))


def labelled(generation: int, on_object: str = "podinfo-1.2.2", on_pods: str = "", key: str = KEY) -> dict[str, Any]:
    """A Deployment; it is the same to the judge how far it has come."""
    pods = {"labels": {key: on_pods}} if on_pods else {}
    metadata = {"name": "podinfo", "namespace": "default", "generation": generation, "labels": {key: on_object}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": {"metadata": pods}}, "status": {}}


def judged(obj: dict[str, Any], expected: Expectation) -> Verdict:
    return assess({DEPLOYMENT: obj}, expected)


def test_the_chart_from_before_ours_back_at_a_higher_generation_is_a_rollback() -> None:
    verdict = judged(labelled(5), expectation(BEFORE, SEEN))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "rolled-back"
    assert verdict.message == (
        "Deployment default/podinfo was rolled back: it had podinfo 1.2.3, "
        "and carries helm.sh/chart=podinfo-1.2.2 again."
    )
    assert (verdict.evidence.revision, verdict.evidence.reason) == ("podinfo-1.2.2", KEY)


UNPROVEN: dict[str, tuple[dict[str, Any], Expectation]] = {
    "it was never seen with ours": (labelled(5), expectation(BEFORE)),
    "nothing was recorded": (labelled(5), expectation()),
    "an old sight comes late": (labelled(3), expectation(BEFORE, SEEN)),
    "labels were changed without the spec": (labelled(4), expectation(BEFORE, SEEN)),
    "it was made anew": (labelled(1), expectation(BEFORE, SEEN)),
    "nobody saw this chart before": (labelled(5, "podinfo-9.9.9"), expectation(BEFORE, SEEN)),
    "it came after ours": (labelled(6, "podinfo-9.9.9"), expectation(BEFORE, SEEN, Carried(f"{KEY}=podinfo-9.9.9", 5))),
    "another app version than before": (labelled(5, "9", key=VERSION), expectation(Carried(f"{VERSION}=8", 3), SEEN)),
    "nothing names a chart any more": (labelled(5, ""), expectation(BEFORE, SEEN)),
    "another content had our version": (labelled(5), expectation(BEFORE, SEEN, earlier=(Earlier("1.2.3", "1.2.3"),))),
    "failures are waited for": (labelled(5), expectation(BEFORE, SEEN, fail_after=0)),
    "two attempts are allowed": (labelled(5), expectation(BEFORE, SEEN, fail_after=2)),
}  # fmt: skip


@pytest.mark.parametrize(("obj", "expected"), UNPROVEN.values(), ids=UNPROVEN)
def test_what_is_not_proven_is_waited_for(obj: dict[str, Any], expected: Expectation) -> None:
    assert isinstance(judged(obj, expected), Progressing)


def test_the_chart_before_ours_in_git_is_known_although_nobody_saw_it_before() -> None:
    assert isinstance(judged(labelled(5), expectation(SEEN)), Failed)


def test_a_chart_that_stood_there_before_is_known_although_git_has_another() -> None:
    older = Carried(f"{KEY}=podinfo-1.2.1", 3)
    assert isinstance(judged(labelled(5, "podinfo-1.2.1"), expectation(older, SEEN)), Failed)


def test_a_chart_that_only_names_its_app_version_is_known_by_what_stood_there_before() -> None:
    before, ours = Carried(f"{VERSION}=1.2.2", 3), Carried(f"{VERSION}=1.2.3", 4)
    assert isinstance(judged(labelled(5, "1.2.2", key=VERSION), expectation(before, ours)), Failed)


def test_pods_that_went_back_alone_are_a_rollback_by_kubectl() -> None:
    verdict = judged(labelled(5, "podinfo-1.2.3", "podinfo-1.2.2"), expectation(BEFORE, SEEN))
    assert isinstance(verdict, Failed)
    assert "carries helm.sh/chart=podinfo-1.2.3 and podinfo-1.2.2 again" in verdict.message


def test_a_label_that_flux_stamped_is_ours_too() -> None:
    stamped = Carried(f"{KEY}=podinfo-1.2.3_{OURS[:12]}", 4)
    assert isinstance(judged(labelled(5), expectation(BEFORE, stamped)), Failed)


def test_each_time_it_is_taken_back_counts_as_an_attempt() -> None:
    again = replace(SEEN, generation=6)
    twice = expectation(BEFORE, SEEN, replace(BEFORE, generation=5), again, fail_after=2)
    assert isinstance(judged(labelled(7), twice), Failed)
    assert isinstance(judged(labelled(6), twice), Progressing)
    assert isinstance(judged(labelled(7), replace(twice, carried=twice.carried[:3])), Progressing)


def test_a_later_deployment_of_the_chart_from_before_ours_supersedes_it_once_ours_was_there() -> None:
    later = (Later("dep_2", "1.2.2", "b" * 40),)
    verdict = judged(labelled(5), expectation(BEFORE, SEEN, later=later))
    assert isinstance(verdict, Superseded)
    assert verdict.by == "dep_2"
    assert isinstance(judged(labelled(3), expectation(BEFORE, later=later)), Progressing)


def test_who_takes_a_rollout_over_knows_from_the_log_what_the_workload_had() -> None:
    """What one monitor records is all that the next one is given."""
    target = expectation().target
    state = after(pushed(target), MonitoringStarted(targets=(target.id,)))
    for obj in (labelled(3), labelled(4, "podinfo-1.2.3")):
        seen = Sight({target.id: judged(obj, expect(state, target))})
        facts = decide(state, seen, PUSHED_AT)
        assert [type(fact) for fact in facts] == [RolloutProgressed]
        state = after(state, *facts)
    assert state.carried == {target.id: (BEFORE, SEEN)}
    over = decide(state, Sight({target.id: judged(labelled(5), expect(state, target))}), PUSHED_AT)
    assert isinstance(over[0], RolloutFailed)
    assert over[0].reason == "rolled-back"


def test_a_sight_that_is_older_than_what_was_recorded_is_not_kept() -> None:
    target = expectation().target
    told = [RolloutProgressed(target=target.id, message=one.label, carries=one.label, generation=one.generation)
            for one in (BEFORE, SEEN, BEFORE, replace(SEEN, generation=7))]  # fmt: skip
    assert after(pushed(target), *told).carried[target.id] == (BEFORE, replace(SEEN, generation=7))


@given(st.data())
def test_without_a_way_back_nothing_is_called_a_rollback_whatever_is_seen_late_or_missed(data: st.DataObject) -> None:
    """The workload goes from the old chart to ours once; sights are recorded or not, and shown again out of order."""
    flip = data.draw(st.integers(2, 8))
    truth = {generation: "podinfo-1.2.2" if generation < flip else "podinfo-1.2.3" for generation in range(1, 9)}
    target = expectation(fail_after=data.draw(st.integers(0, 2))).target
    state = after(pushed(target), MonitoringStarted(targets=(target.id,)))
    for generation in data.draw(st.lists(st.sampled_from(sorted(truth)), max_size=8)):
        verdict = judged(labelled(generation, truth[generation]), expect(state, target))
        assert isinstance(verdict, Progressing)
        if data.draw(st.booleans()):
            state = after(state, *decide(state, Sight({target.id: verdict}), PUSHED_AT))
