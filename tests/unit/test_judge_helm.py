"""What the judge over Helm's release secrets says, secret by secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flux_objects import NEWER, PUSHED_AT, merged
from helm_objects import DEPLOYMENT, Secrets, expectation, release, unread
from hypothesis import given
from hypothesis import strategies as st

from dag_common.domain.deployment import Carried
from dag_monitor.domain.concern import Releases, Since
from dag_monitor.domain.expectation import Expectation, Later, Ref
from dag_monitor.domain.helm import assess
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict

OLD = release(3, "1.2.2", "deployed", "Upgrade complete")
OLD_GONE = release(3, "1.2.2", "superseded", "Upgrade complete")
PENDING = release(4, "1.2.3", "pending-upgrade", "Preparing upgrade")
DONE = release(4, "1.2.3", "deployed", "Upgrade complete")
BROKE = release(4, "1.2.3", "failed", 'Upgrade "podinfo" failed: context deadline exceeded')
ROLLING_BACK = release(5, "1.2.2", "pending-rollback", "Preparing rollback")
BACK = release(5, "1.2.2", "deployed", "Rollback to 3")

WITH_PODS = release(4, "1.2.3", "deployed", "Upgrade complete", objects=(DEPLOYMENT,))
WORKLOAD = Ref("Deployment", "default", "podinfo")
HEALTHY = {
    "metadata": {"name": "podinfo", "namespace": "default", "generation": 2},
    "spec": {"replicas": 1},
    "status": {
        "observedGeneration": 2,
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "conditions": [{"type": "Available", "status": "True"}],
    },
}
EXCEEDED = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": "it has timed out progressing",
    "lastTransitionTime": "2026-09-01T10:09:00Z",
}


def progressing(secrets: Secrets, expected: Expectation | None = None) -> str:
    verdict = assess(secrets, expected or expectation())
    assert isinstance(verdict, Progressing)
    return verdict.message


def exceeded(**changes: Any) -> Any:
    conditions = [*HEALTHY["status"]["conditions"], EXCEEDED | changes]
    return merged(HEALTHY, {"status": {"conditions": conditions, "readyReplicas": None}})


def test_our_chart_deployed_with_nothing_above_it_is_a_success() -> None:
    verdict = assess(OLD_GONE | DONE, expectation())
    assert isinstance(verdict, Succeeded)
    assert verdict.message == "podinfo 1.2.3 is deployed: Upgrade complete."
    assert verdict.evidence.object == "Secret default/sh.helm.release.v1.podinfo.v4"


@pytest.mark.parametrize(
    ("secrets", "verdict"),
    [
        ({}, Progressing),
        (OLD, Progressing),
        (OLD | PENDING, Progressing),
        (OLD | BROKE, Failed),
        (OLD | BROKE | ROLLING_BACK, Failed),
        (OLD_GONE | BROKE | BACK, Failed),
        (release(4, "1.2.3", "superseded") | release(5, "1.2.2", "deployed", "Rolled", rollback_revision=3), Failed),
        (release(4, "1.2.3", "uninstalled"), Failed),
        (release(4, "1.2.3", "unknown"), Progressing),
        (DONE | release(5, "1.2.4", "pending-upgrade"), Progressing),
        (release(4, "1.2.3", "superseded") | release(5, "1.2.4", "deployed"), Superseded),
        (BROKE | release(5, "1.2.2", "deployed", "Rollback to 3") | release(6, "1.2.3", "deployed"), Succeeded),
        (release(4, "1.2.3+other", "deployed"), Progressing),
    ],
)
def test_the_highest_version_with_our_chart_decides(secrets: Secrets, verdict: type[Verdict]) -> None:
    assert isinstance(assess(secrets, expectation()), verdict)
    assert isinstance(assess(dict(reversed(secrets.items())), expectation()), verdict)


def test_a_rollback_is_told_with_its_cause() -> None:
    verdict = assess(OLD_GONE | BROKE | BACK, expectation())
    assert isinstance(verdict, Failed)
    assert verdict.reason == "rolled-back"
    assert verdict.message == 'Upgrade "podinfo" failed: context deadline exceeded. Helm rolled back to 1.2.2.'


def test_a_rollback_by_hand_of_what_was_deployed_is_a_failure() -> None:
    verdict = assess(release(4, "1.2.3", "superseded") | BACK, expectation(fail_after=0))
    assert isinstance(verdict, Failed)
    assert verdict.message == "podinfo 1.2.3 was deployed, and then Helm rolled back to 1.2.2."


def test_a_later_deployment_supersedes_ours_by_name() -> None:
    secrets = release(4, "1.2.3", "superseded") | release(5, "1.2.4", "deployed")
    verdict = assess(secrets, expectation(later=(Later("dep_2", "1.2.4", NEWER),)))
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.version, verdict.commit) == ("dep_2", "1.2.4", NEWER)


AGAIN = release(6, "1.2.3", "failed", "timed out")


@pytest.mark.parametrize(
    ("fail_after", "secrets", "verdict"),
    [
        (1, BROKE, Failed),
        (2, BROKE, Progressing),
        (2, BROKE | BACK, Progressing),
        (2, BROKE | BACK | release(6, "1.2.3", "pending-upgrade"), Progressing),
        (2, BROKE | BACK | AGAIN, Failed),
        (2, BROKE | BACK | release(6, "1.2.3", "deployed"), Succeeded),
        (0, BROKE | BACK | AGAIN, Progressing),
        (2, BROKE | release(5, "1.2.4", "deployed"), Superseded),
    ],
)
def test_as_many_versions_of_our_chart_have_to_fail_as_the_target_says(
    fail_after: int, secrets: Secrets, verdict: type[Verdict]
) -> None:
    assert isinstance(assess(OLD_GONE | secrets, expectation(fail_after=fail_after)), verdict)


def test_what_became_of_our_chart_in_an_earlier_deployment_decides_nothing() -> None:
    """A return to an older chart: its content, and versions with it, were there before the push."""
    returned = expectation(content_since=PUSHED_AT - timedelta(hours=1))
    was_ours, replaced = release(2, "1.2.3", "superseded"), release(3, "1.2.4", "deployed")
    assert "now at podinfo 1.2.4" in progressing(was_ours | replaced, returned)
    assert "now at podinfo 1.2.3, failed" in progressing(release(3, "1.2.3", "failed"), returned)
    assert isinstance(assess(release(3, "1.2.3", "deployed"), returned), Succeeded)


def test_an_unchanged_push_is_judged_by_what_became_of_its_content() -> None:
    unchanged = expectation(unchanged=True, content_since=PUSHED_AT - timedelta(hours=1))
    verdict = assess(release(3, "1.2.3", "deployed", "Upgrade complete"), unchanged)
    assert isinstance(verdict, Succeeded)
    assert "is still deployed, unchanged" in verdict.message
    assert isinstance(assess(release(3, "1.2.3", "failed"), unchanged), Failed)


def test_a_version_that_cannot_be_read_says_why_and_keeps_the_verdict_open() -> None:
    trouble = "cannot get secrets: forbidden; grant the verb 'get' there"
    said = progressing(DONE | unread(BACK, trouble))
    assert said == f"Version 5 of Helm release default/podinfo cannot be read: {trouble}"
    assert isinstance(assess(unread(OLD_GONE, trouble) | DONE, expectation()), Succeeded)
    assert isinstance(assess(BROKE | unread(release(5, "1.2.3", "deployed")), expectation()), Progressing)


def test_being_read_is_no_news_after_being_under_way() -> None:
    assert progressing(OLD_GONE | PENDING) == progressing(unread(OLD_GONE) | PENDING)
    assert progressing(OLD_GONE | PENDING) == progressing(OLD_GONE | unread(DONE))


def test_a_label_proves_nothing() -> None:
    assert isinstance(assess(OLD_GONE | unread(DONE), expectation()), Progressing)
    assert isinstance(assess(OLD | unread(BROKE), expectation()), Progressing)
    ((ref, secret),) = DONE.items()
    swapped = {ref: secret | {"release": next(iter(OLD.values()))["release"]}}
    assert "contradict each other" in progressing(swapped)


def test_another_release_or_another_namespace_is_not_looked_at() -> None:
    ((ref, secret),) = DONE.items()
    named = {ref: {**secret, "metadata": {**secret["metadata"], "labels": {"name": "other", "owner": "helm"}}}}
    assert isinstance(assess(named, expectation()), Progressing)
    assert isinstance(assess({Ref("Secret", "other", ref.name): secret}, expectation()), Progressing)


def test_a_release_from_before_our_content_or_of_a_reused_version_proves_nothing() -> None:
    late = expectation(content_since=PUSHED_AT + timedelta(hours=1), pushed_at=PUSHED_AT + timedelta(hours=1))
    assert isinstance(assess(DONE, late), Progressing)
    assert isinstance(assess(DONE, expectation(reused=True)), Progressing)


def test_the_judge_asks_for_the_workloads_of_a_deployed_release_as_they_are_since() -> None:
    asks, target = judge_for("helm").concerned, expectation().target
    versions = Releases("default", "podinfo")
    assert asks({}, target) == (versions,)
    assert asks(WITH_PODS, target) == (versions, Since(WORKLOAD, "u4/4/deployed"))
    assert asks(WITH_PODS | release(5, "1.2.4", "pending-upgrade"), target) == (versions,)


def test_deployed_is_not_enough_while_a_workload_of_the_release_rolls_out() -> None:
    rolling = merged(HEALTHY, {"status": {"availableReplicas": None}})
    assert progressing(WITH_PODS | {WORKLOAD: rolling}) == (
        "podinfo 1.2.3 is deployed. Deployment default/podinfo: 0 of 1 updated replicas are available."
    )
    assert "does not exist" in progressing(WITH_PODS)
    leaving = merged(HEALTHY, {"metadata": {"deletionTimestamp": "2026-09-01T10:05:00Z"}})
    assert "is being deleted" in progressing(WITH_PODS | {WORKLOAD: leaving})
    verdict = assess(WITH_PODS | {WORKLOAD: HEALTHY}, expectation())
    assert isinstance(verdict, Succeeded)
    assert verdict.message == "podinfo 1.2.3 is deployed: Upgrade complete. Its workload is healthy."


def test_a_workload_that_fails_fails_the_release_that_is_deployed() -> None:
    secrets = WITH_PODS | {WORKLOAD: exceeded()}
    verdict = assess(secrets, expectation())
    assert isinstance(verdict, Failed)
    assert verdict.reason == "progress-deadline-exceeded"
    assert "Deployment default/podinfo: It exceeded its progress deadline" in verdict.message
    assert isinstance(assess(secrets, expectation(fail_after=0)), Progressing)


def test_a_deadline_that_an_earlier_version_exceeded_is_not_ours() -> None:
    before = exceeded(lastTransitionTime="2026-09-01T10:03:59Z")
    assert isinstance(assess(WITH_PODS | {WORKLOAD: before}, expectation()), Progressing)


def test_one_of_many_workloads_is_enough_to_wait_or_to_fail() -> None:
    names = ("one", "two", "three")
    secrets = release(
        4, "1.2.3", "deployed", objects=tuple(merged(DEPLOYMENT, {"metadata": {"name": name}}) for name in names)
    )
    pods = {Ref("Deployment", "default", name): HEALTHY for name in names}
    verdict = assess(secrets | pods, expectation())
    assert isinstance(verdict, Succeeded)
    assert "All 3 workloads are healthy" in verdict.message
    missing = {ref: obj for ref, obj in pods.items() if ref.name == "one"}
    assert "Deployment default/two does not exist (1 more are not done)" in progressing(secrets | missing)
    failing = {**missing, Ref("Deployment", "default", "three"): exceeded()}
    assert isinstance(assess(secrets | failing, expectation()), Failed)


JOB = Ref("Job", "default", "migrate")
JOB_MANIFEST = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}}
WITH_JOB = release(4, "1.2.3", "deployed", "Upgrade complete", objects=(DEPLOYMENT, JOB_MANIFEST))
COMPLETE = {
    "spec": {"ttlSecondsAfterFinished": 30},
    "status": {"conditions": [{"type": "Complete", "status": "True"}]},
}
ROLLING = {WORKLOAD: merged(HEALTHY, {"status": {"availableReplicas": None}})}
SEEN_COMPLETE = Carried("completed=default/migrate", 4)


def test_a_job_that_was_seen_to_complete_and_removed_itself_is_done() -> None:
    first = assess(WITH_JOB | ROLLING | {JOB: COMPLETE}, expectation())
    assert isinstance(first, Progressing)
    assert first.carried == SEEN_COMPLETE
    later = assess(WITH_JOB | ROLLING, expectation(carried=(SEEN_COMPLETE,)))
    assert isinstance(later, Progressing)
    assert (later.carried, "Deployment default/podinfo: 0 of 1" in later.message) == (SEEN_COMPLETE, True)
    done = assess(WITH_JOB | {WORKLOAD: HEALTHY}, expectation(carried=(SEEN_COMPLETE,)))
    assert isinstance(done, Succeeded)
    assert "All 2 workloads are healthy" in done.message


FAILED_JOB = {"spec": COMPLETE["spec"], "status": {"conditions": [{"type": "Failed", "status": "True"}]}}


@pytest.mark.parametrize(
    ("job", "carried"),
    [
        (None, ()),
        (None, (Carried("completed=default/migrate", 3),)),
        (None, (Carried("completed=other/migrate and default/migrate2", 4),)),
        (merged(COMPLETE, {"status": None}), (SEEN_COMPLETE,)),
        (FAILED_JOB, (SEEN_COMPLETE,)),
    ],
)
def test_a_job_that_nobody_saw_complete_in_this_version_is_not_done(job: Any, carried: tuple[Carried, ...]) -> None:
    seen = WITH_JOB | {WORKLOAD: HEALTHY} | ({JOB: job} if job else {})
    verdict = assess(seen, expectation(carried=carried))
    assert not isinstance(verdict, Succeeded)
    assert job or "then nothing tells whether it completed: raise its ttl" in verdict.message


def test_a_job_that_stays_is_not_remembered() -> None:
    verdict = assess(WITH_JOB | ROLLING | {JOB: merged(COMPLETE, {"spec": None})}, expectation())
    assert isinstance(verdict, Progressing)
    assert verdict.carried is None


STEPS: dict[str, list[Secrets]] = {
    "upgrade": [OLD, OLD | PENDING, OLD_GONE | PENDING, OLD_GONE | unread(DONE), OLD_GONE | DONE],
    "install": [{}, release(4, "1.2.3", "pending-install"), DONE],
    "upgrade without --wait": [
        OLD | {WORKLOAD: merged(HEALTHY, {"metadata": {"generation": 1}, "status": {"observedGeneration": 1}})},
        OLD | PENDING | {WORKLOAD: merged(HEALTHY, {"status": {"observedGeneration": 1}})},
        OLD_GONE | WITH_PODS | {WORKLOAD: merged(HEALTHY, {"status": {"observedGeneration": 1}})},
        OLD_GONE | WITH_PODS | {WORKLOAD: merged(HEALTHY, {"status": {"replicas": 2, "updatedReplicas": None}})},
        OLD_GONE | WITH_PODS | {WORKLOAD: merged(HEALTHY, {"status": {"replicas": 2}})},
        OLD_GONE | WITH_PODS | {WORKLOAD: HEALTHY},
    ],
    "failure, then success on retry": [
        OLD | BROKE,
        OLD | BROKE | ROLLING_BACK,
        OLD_GONE | BROKE | unread(BACK),
        OLD_GONE | BROKE | BACK,
        OLD_GONE | BROKE | BACK | release(6, "1.2.3", "pending-upgrade"),
        OLD_GONE | BROKE | release(5, "1.2.2", "superseded", "Rollback to 3") | release(6, "1.2.3", "deployed"),
    ],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_no_write_before_the_last_one_is_a_success(steps: list[Secrets]) -> None:
    verdicts = [type(assess(seen, expectation(fail_after=2))) for seen in steps]
    assert verdicts == [Progressing] * (len(steps) - 1) + [Succeeded]


@pytest.mark.parametrize("fail_after", [0, 1, 2])
def test_a_rolled_back_upgrade_is_no_success_at_any_write(fail_after: int) -> None:
    seen: Secrets = {}
    for write in [OLD, PENDING, OLD, unread(BROKE), BROKE, ROLLING_BACK, OLD_GONE, unread(BACK), BACK]:
        seen = seen | write
        assert not isinstance(assess(seen, expectation(fail_after=fail_after)), Succeeded)


STATUSES = ("pending-upgrade", "pending-rollback", "deployed", "superseded", "failed", "uninstalled", "uninstalling")


@st.composite
def histories(draw: st.DrawFn) -> Secrets:
    """Any versions in any status, read or not, with or without workloads, and the workload in any condition."""
    seen: Secrets = {}
    for number in draw(st.sets(st.integers(1, 7))):
        objects = draw(st.sampled_from([(), (DEPLOYMENT,)]))
        one = release(
            number,
            draw(st.sampled_from(["1.2.2", "1.2.3", "1.2.4"])),
            draw(st.sampled_from(STATUSES)),
            draw(st.sampled_from(["", "Rollback to 1"])),
            objects=objects,
        )
        seen |= unread(one) if draw(st.booleans()) else one
    pods = draw(st.sampled_from([None, HEALTHY, exceeded(), merged(HEALTHY, {"status": {"readyReplicas": None}})]))
    return seen | ({WORKLOAD: pods} if pods else {})


@given(histories(), st.integers(0, 2), st.booleans(), st.booleans())
def test_success_means_the_newest_version_is_our_chart_deployed_and_healthy(
    seen: Secrets,
    fail_after: int,
    unchanged: bool,
    reused: bool,
) -> None:
    verdict = assess(seen, expectation(fail_after=fail_after, unchanged=unchanged, reused=reused))
    secrets = {ref: secret for ref, secret in seen.items() if ref.kind == "Secret"}
    newest = max(secrets.values(), key=lambda secret: int(secret["metadata"]["labels"]["version"]), default={})
    read = newest.get("release", {"info": {}, "chart": {"metadata": {}}})
    ours = (read["chart"]["metadata"].get("version"), read["info"].get("status")) == ("1.2.3", "deployed")
    healthy = not read.get("workloads") or seen.get(WORKLOAD) == HEALTHY
    fresh = newest and newest["metadata"]["creationTimestamp"] >= "2026-09-01T10"
    assert isinstance(verdict, Succeeded) == bool(ours and healthy and fresh and not reused)


@given(st.dictionaries(st.sampled_from(["name", "version", "info", "chart", "workloads"]), st.none() | st.integers()))
def test_odd_content_never_raises_and_never_succeeds(changes: dict[str, Any]) -> None:
    odd = {ref: merged(secret, {"release": changes | {"name": None}}) for ref, secret in WITH_PODS.items()}
    assert isinstance(assess(odd | {WORKLOAD: HEALTHY}, expectation()), Progressing)
