"""Which facts the monitor records, when, and that every rollout ends once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from examples import EVIDENCE, PUSHED, requested
from hypothesis import given
from hypothesis import strategies as st
from rollout_states import ID, PUSHED_AT, after, pushed

from dag_common.contracts.events import (
    ChartPushed,
    DeploymentFailed,
    DeploymentSucceeded,
    Event,
    MonitoringStarted,
    PushStarted,
    RolloutFailed,
    RolloutProgressed,
    RolloutSucceeded,
    RolloutTarget,
)
from dag_common.domain.deployment import Carried, Deployment
from dag_common.domain.statuses import Status
from dag_common.errors import Invalid
from dag_monitor.domain.expectation import Earlier, Introduced, Knowledge, Later, Relation, expect
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.rollout import Sight, deadline, decide, due, next_look, unexplained
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict

ONE = RolloutTarget(kind="flux", cluster="prod", namespace="default", name="one", timeout_seconds=600)
TWO = RolloutTarget(kind="flux", cluster="prod", namespace="default", name="two", timeout_seconds=60)
GOOD = Succeeded("podinfo 1.2.3 runs", EVIDENCE)
BAD = Failed("upgrade-failed", "context deadline exceeded", EVIDENCE)
TAKEN = Superseded("0199-newer", "1.2.4", "b" * 40, "chart 1.2.4 from deployment 0199-newer took over", EVIDENCE)


def sight(*verdicts: tuple[RolloutTarget, Verdict], told: dict[str, datetime] | None = None) -> Sight:
    return Sight({target.id: verdict for target, verdict in verdicts}, told or {})


def failure(facts: list[Event]) -> RolloutFailed:
    return next(fact for fact in facts if isinstance(fact, RolloutFailed))


def at(seconds: float) -> datetime:
    return PUSHED_AT + timedelta(seconds=seconds)


def test_watching_begins_with_its_targets_and_is_recorded_once() -> None:
    state = pushed(ONE, TWO)
    begun = decide(state, Sight(), at(1))
    assert begun == [MonitoringStarted(targets=(ONE.id, TWO.id))]
    assert decide(after(state, *begun), Sight(), at(2)) == []


def test_nothing_is_decided_before_the_push_or_after_the_end() -> None:
    asked = after(Deployment(id=ID), requested(targets=(ONE,)))
    assert decide(asked, sight((ONE, GOOD)), at(1)) == []
    ended = after(pushed(ONE), DeploymentFailed(stage="pushing", reason="rejected", message="no"))
    assert decide(ended, sight((ONE, GOOD)), at(10_000)) == []
    assert due(ended, at(10_000)) == ()


def test_new_words_are_recorded_and_old_ones_are_not() -> None:
    state = after(pushed(ONE), MonitoringStarted(targets=(ONE.id,)))
    seen = sight((ONE, Progressing("Running 'upgrade'")))
    told = decide(state, seen, at(1))
    assert told == [RolloutProgressed(target=ONE.id, message="Running 'upgrade'")]
    assert decide(after(state, *told), seen, at(5)) == []


def test_what_a_target_carries_is_recorded_although_the_words_stay_the_same_and_an_old_sight_is_not() -> None:
    def seen(label: str, generation: int) -> Sight:
        return Sight(verdicts={ONE.id: Progressing("waits", carried=Carried(label, generation))})

    state = after(pushed(ONE), MonitoringStarted(targets=(ONE.id,)), *decide(pushed(ONE), seen("a=1", 4), at(1))[1:])
    assert decide(state, seen("a=1", 5), at(5)) == []
    assert decide(state, seen("a=2", 3), at(5)) == []
    [fact] = decide(state, seen("a=2", 4), at(5))
    assert isinstance(fact, RolloutProgressed)
    assert (fact.message, fact.carries, fact.generation) == ("waits", "a=2", 4)


def test_progress_is_recorded_once_a_second_at_most() -> None:
    state = after(pushed(ONE), MonitoringStarted(targets=(ONE.id,)))
    hasty = sight((ONE, Progressing("two")), told={ONE.id: at(10)})
    assert decide(state, hasty, at(10.5)) == []
    assert next_look(state, hasty) == at(11)
    assert decide(state, hasty, at(11)) == [RolloutProgressed(target=ONE.id, message="two")]


def test_an_end_does_not_wait_for_the_pause() -> None:
    state = after(pushed(ONE), MonitoringStarted(targets=(ONE.id,)))
    ended = decide(state, sight((ONE, GOOD), told={ONE.id: at(10)}), at(10.1))
    assert [type(fact) for fact in ended] == [RolloutSucceeded, DeploymentSucceeded]


def test_the_last_success_ends_the_deployment() -> None:
    state = pushed(ONE, TWO)
    first = decide(state, sight((ONE, GOOD), (TWO, Progressing("working"))), at(1))
    assert [type(fact) for fact in first] == [MonitoringStarted, RolloutSucceeded, RolloutProgressed]
    state = after(state, *first)
    last = decide(state, sight((ONE, GOOD), (TWO, GOOD)), at(2))
    assert [type(fact) for fact in last] == [RolloutSucceeded, DeploymentSucceeded]
    assert after(state, *last).message.startswith("Deployment successful")
    assert after(state, *last).status is Status.DEPLOYED


def test_a_failure_waits_for_the_other_targets_and_names_who_failed() -> None:
    state = pushed(ONE, TWO)
    first = decide(state, sight((ONE, BAD), (TWO, Progressing("working"))), at(1))
    assert not any(isinstance(fact, DeploymentFailed) for fact in first)
    end = decide(after(state, *first), sight((ONE, BAD), (TWO, GOOD)), at(2))[-1]
    assert isinstance(end, DeploymentFailed)
    assert (end.stage, end.reason) == ("monitoring", "upgrade-failed")
    assert end.message == f"1 of 2 targets failed.\n{ONE.id}: context deadline exceeded"


def test_different_reasons_are_all_told() -> None:
    end = decide(pushed(ONE, TWO), sight((ONE, BAD), (TWO, TAKEN)), at(1))[-1]
    assert isinstance(end, DeploymentFailed)
    assert end.reason == "rollouts-failed"
    assert BAD.message in end.message
    assert TAKEN.message in end.message


def test_superseded_fails_with_its_own_reason_and_names_the_newer_one() -> None:
    end = decide(pushed(ONE), sight((ONE, TAKEN)), at(1))[-1]
    assert isinstance(end, DeploymentFailed)
    assert end.reason == "superseded"
    assert "0199-newer" in end.message


def test_a_timeout_tells_what_was_seen_last() -> None:
    state = after(pushed(TWO), MonitoringStarted(targets=(TWO.id,)))
    seen = sight((TWO, Progressing("HelmRelease default/two is suspended", EVIDENCE)))
    assert not any(isinstance(fact, RolloutFailed) for fact in decide(state, seen, at(59.9)))
    failed, end = decide(state, seen, at(60))
    assert isinstance(failed, RolloutFailed)
    assert (failed.reason, failed.evidence) == ("timeout", EVIDENCE)
    assert failed.message == ("Not done within 1m of the push. Last seen: HelmRelease default/two is suspended.")
    assert isinstance(end, DeploymentFailed)
    assert end.reason == "timeout"


def test_a_timeout_without_any_sight_says_so_or_repeats_what_was_recorded() -> None:
    state = after(pushed(TWO), MonitoringStarted(targets=(TWO.id,)))
    assert "the cluster could not be watched" in failure(decide(state, Sight(), at(61))).message
    state = after(state, RolloutProgressed(target=TWO.id, message="Running 'upgrade'"))
    assert "Running 'upgrade'" in failure(decide(state, Sight(), at(61))).message


def test_a_verdict_at_hand_counts_even_when_time_is_over() -> None:
    assert isinstance(decide(pushed(TWO), sight((TWO, GOOD)), at(3600))[-1], DeploymentSucceeded)


def test_each_target_has_its_own_deadline() -> None:
    state = pushed(ONE, TWO)
    assert (deadline(state, ONE), deadline(state, TWO)) == (at(600), at(60))
    assert due(state, at(60)) == (TWO,)
    assert next_look(state, Sight()) == at(60)
    assert next_look(after(state, *decide(state, Sight(), at(60))), Sight()) == at(600)


def test_a_deployment_without_targets_is_done_when_it_is_pushed() -> None:
    assert [type(fact) for fact in decide(pushed(), Sight(), at(0))] == [DeploymentSucceeded]


VERDICTS = st.one_of(
    st.sampled_from([GOOD, BAD, TAKEN]), st.builds(Progressing, st.sampled_from(["one", "two", "three"]))
)
MOMENTS = st.lists(
    st.tuples(st.floats(0, 900), st.dictionaries(st.sampled_from([ONE.id, TWO.id]), VERDICTS)), max_size=20
)


@given(MOMENTS)
def test_every_rollout_ends_once_and_by_its_deadline(moments: list[tuple[float, dict[str, Verdict]]]) -> None:
    state, written = pushed(ONE, TWO), list[Event]()
    told: dict[str, datetime] = {}
    for seconds, verdicts in [*sorted(moments, key=lambda moment: moment[0]), (900.0, {})]:
        facts = decide(state, Sight(verdicts, told), at(seconds))
        told |= {fact.target: at(seconds) for fact in facts if isinstance(fact, RolloutProgressed)}
        state = after(state, *facts)
        written += facts
        assert decide(state, Sight(verdicts, told), at(seconds)) == []
        assert due(state, at(seconds)) == ()
    assert state.ended
    assert sum(isinstance(fact, DeploymentSucceeded | DeploymentFailed) for fact in written) == 1
    ends = [fact.target for fact in written if isinstance(fact, RolloutSucceeded | RolloutFailed)]
    assert sorted(ends) == sorted({ONE.id, TWO.id})
    assert sum(isinstance(fact, MonitoringStarted) for fact in written) == 1


def test_what_is_expected_comes_from_the_log() -> None:
    later = Later("0199", "1.2.4", "b" * 40)
    expected = expect(pushed(ONE), ONE, Knowledge(relations={"a" * 40: Relation.ANCESTOR}, later=(later,)))
    assert (expected.chart_name, expected.chart_version, expected.path) == ("podinfo", "1.2.3", "apps/podinfo")
    assert (expected.content_since, expected.reused) == (PUSHED_AT, False)
    assert expected.relation("a" * 12) is Relation.ANCESTOR
    assert expected.relation("b" * 40) is Relation.REPLACED
    assert expected.relation(PUSHED.commit) is Relation.OURS
    assert expected.relation("c" * 40) is Relation.UNKNOWN
    assert expected.relation("") is Relation.UNKNOWN


def test_the_tip_that_a_push_was_built_on_came_before_it() -> None:
    begun = after(Deployment(id=ID), requested(targets=(ONE,)), PushStarted(attempt=1, base="d" * 40), PUSHED)
    assert expect(begun, ONE).relation("d" * 40) is Relation.ANCESTOR
    same = after(Deployment(id=ID), requested(targets=(ONE,)), PushStarted(attempt=1, base=PUSHED.commit), PUSHED)
    assert expect(same, ONE).relation(PUSHED.commit) is Relation.OURS


def test_nothing_is_expected_before_the_push() -> None:
    with pytest.raises(Invalid, match="was not pushed"):
        expect(after(Deployment(id=ID), requested(targets=(ONE,))), ONE)


def test_a_push_that_changed_nothing_inherits_what_is_known_of_its_content() -> None:
    same = pushed(ONE, unchanged=True, previous_chart_version="1.2.3")
    assert (expect(same, ONE).content_since, expect(same, ONE).reused) == (None, False)
    values = {name: getattr(PUSHED, name) for name in PUSHED.__struct_fields__}
    first = ChartPushed(**(values | {"previous_chart_version": "1.2.3"}))
    expected = expect(same, ONE, Knowledge(introduced=Introduced(at(-60), first)))
    assert (expected.content_since, expected.reused) == (at(-60), True)


def test_new_content_under_the_same_version_is_noticed() -> None:
    assert expect(pushed(ONE, previous_chart_version="1.2.3"), ONE).reused


def test_what_may_still_run_is_what_git_had_before_and_what_the_log_knows() -> None:
    known = Knowledge(earlier=(Earlier("1.2.2", "1.2.2"), Earlier("1.2.1", "1.2.1")))
    over_a_strangers = pushed(ONE, previous_chart_version="1.2.0", previous_app_version="7")
    assert expect(over_a_strangers, ONE, known).earlier == (Earlier("1.2.0", "7"), *known.earlier)
    over_ours = pushed(ONE, previous_chart_version="1.2.2", previous_app_version="1.2.2")
    assert expect(over_ours, ONE, known).earlier == known.earlier
    assert expect(pushed(ONE, previous_chart_version=""), ONE).earlier == ()
    assert expect(pushed(ONE, unchanged=True), ONE).earlier == ()


def test_an_unwatched_kind_succeeds_with_the_commit() -> None:
    unwatched = RolloutTarget(kind="none", cluster="", namespace="", name="none", timeout_seconds=1)
    judge = judge_for("none")
    verdict = judge.assess({}, expect(pushed(unwatched), unwatched))
    assert isinstance(verdict, Succeeded)
    assert "not watched" in verdict.message
    assert judge.concerned({}, unwatched) == ()


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(Invalid, match=r"'magic': there are .*flux.*none"):
        judge_for("magic")


def test_the_causes_of_a_failure_stand_below_the_judge_s_message_in_both_facts() -> None:
    seen = sight((ONE, BAD))
    causes = ("Pod web: cannot pull image", "Helm: context deadline exceeded", "DAG lacks the right to list pods")
    failed, end = decide(pushed(ONE), replace(seen, causes={ONE.id: causes}), at(1))[-2:]
    assert isinstance(failed, RolloutFailed)
    assert failed.message.split("\n") == [BAD.message, causes[0], causes[2]], "what the message says is not said twice"
    assert isinstance(end, DeploymentFailed)
    assert end.message == f"{ONE.id}: {failed.message}"


def test_causes_are_asked_for_where_something_was_applied_and_only_of_what_is_about_to_fail() -> None:
    state = pushed(ONE, TWO)
    assert unexplained(state, sight((ONE, BAD), (TWO, Progressing("working"))), at(1)) == (ONE.id,)
    assert unexplained(state, sight((ONE, GOOD), (TWO, TAKEN)), at(1)) == ()
    assert unexplained(state, sight((ONE, Failed("same-version", "ignored", BAD.evidence))), at(1)) == ()
    timed_out = unexplained(state, sight((ONE, Progressing("working"))), at(10_000))
    assert timed_out == (ONE.id, TWO.id)
    assert unexplained(after(state, *decide(state, sight((ONE, BAD)), at(1))), sight((ONE, BAD)), at(2)) == ()
