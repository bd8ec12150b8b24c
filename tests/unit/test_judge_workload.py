"""What the judge of kind workload says of Deployments, StatefulSets, DaemonSets and Jobs."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flux_objects import NEWER, OURS, PUSHED_AT, merged
from hypothesis import given
from hypothesis import strategies as st
from workload_objects import (
    AVAILABLE,
    DONE,
    EXCEEDED,
    FORBIDDEN,
    KINDS,
    OLD_LABELS,
    OUR_LABELS,
    ROLLED_OUT,
    ROLLING,
    expectation,
    judged,
    labelled,
    progressing,
    workload,
)

from dag_common.domain.deployment import Carried
from dag_monitor.domain.expectation import Later, Ref, Relation
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded
from dag_monitor.domain.workload import assess, concerned
from dag_monitor.domain.workload_identity import chart_label


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("deployment", "2 replicas are available"),
        ("statefulset", "2 replicas are ready"),
        ("daemonset", "3 pods are available"),
        ("job", "the job completed"),
    ],
)
def test_a_finished_rollout_that_names_our_chart_is_a_success(kind: str, words: str) -> None:
    verdict = judged(kind, workload(kind))
    assert isinstance(verdict, Succeeded)
    assert verdict.message == f"podinfo 1.2.3 runs in {KINDS[kind]} default/podinfo: {words}."
    assert (verdict.evidence.revision, verdict.evidence.reason) == ("podinfo-1.2.3", "helm.sh/chart")


@pytest.mark.parametrize("kind", DONE)
def test_a_finished_rollout_of_another_chart_proves_nothing(kind: str) -> None:
    message = progressing(judged(kind, workload(kind, {"metadata": {"labels": OLD_LABELS}})))
    assert "carries helm.sh/chart=podinfo-1.2.2; waiting for helm.sh/chart=podinfo-1.2.3" in message


@pytest.mark.parametrize("kind", DONE)
def test_without_labels_the_missing_one_is_named(kind: str) -> None:
    message = progressing(judged(kind, workload(kind, {"metadata": {"labels": None}})))
    assert "neither the label helm.sh/chart nor app.kubernetes.io/version" in message
    assert message.endswith("have the chart set helm.sh/chart: podinfo-1.2.3")


@pytest.mark.parametrize(
    ("labels", "proven"),
    [
        ([{"helm.sh/chart": "podinfo-1.2.3"}], True),
        ([{}, {"helm.sh/chart": "podinfo-1.2.3"}], True),
        ([OUR_LABELS, OLD_LABELS], False),
        ([OLD_LABELS, OUR_LABELS], False),
        ([{"app.kubernetes.io/version": "1.2.3"}], True),
        ([{"app.kubernetes.io/version": "1.2.2"}], False),
        ([{"app.kubernetes.io/version": "1.2.3"}, {"helm.sh/chart": "podinfo-1.2.2"}], False),
        ([{"helm.sh/chart": "podinfo-1.2.3", "app.kubernetes.io/version": "6.9"}], True),
        ([{"helm.sh/chart": "podinfo-1.2.30"}], False),
        ([{"helm.sh/chart": "other-1.2.3"}], False),
        ([{"helm.sh/chart": ["podinfo-1.2.3"]}], False),
        ([{"helm.sh/chart": f"podinfo-1.2.3_{OURS[:12]}"}], True),
        ([{"helm.sh/chart": f"podinfo-1.2.3_{NEWER[:12]}"}], False),
        ([{"helm.sh/chart": "podinfo-1.2.3_7"}], True),
        ([{"helm.sh/chart": "podinfo-1.2.3_other"}], False),
        ([{"helm.sh/chart": "podinfo-1.2.3_"}], False),
    ],
)
def test_every_place_that_names_the_chart_has_to_name_ours(labels: list[Any], proven: bool) -> None:
    assert isinstance(judged("deployment", labelled(*labels)), Succeeded) is proven


def test_the_app_version_proves_nothing_if_ours_is_not_known() -> None:
    obj = labelled({"app.kubernetes.io/version": ""})
    assert isinstance(judged("deployment", obj, expectation(app_version="")), Progressing)


@pytest.mark.parametrize(
    ("name", "version", "label"),
    [
        ("podinfo", "1.2.3+one", "podinfo-1.2.3_one"),
        ("n" * 60, "1.2.3", "n" * 60 + "-1."),
        ("n" * 62, "1.2.3", "n" * 62),
    ],
)
def test_the_label_is_cut_and_cleaned_as_charts_do_it(name: str, version: str, label: str) -> None:
    assert chart_label(name, version) == label
    expected = expectation(chart_name=name, chart_version=version)
    assert isinstance(judged("deployment", labelled({"helm.sh/chart": label}), expected), Succeeded)


def test_the_chart_of_a_later_deployment_supersedes_ours() -> None:
    later = (Later("dep_2", "1.2.4", NEWER),)
    verdict = judged("deployment", labelled({"helm.sh/chart": "podinfo-1.2.4"}), expectation(later=later))
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.version, verdict.commit) == ("dep_2", "1.2.4", NEWER)


def test_a_later_return_to_the_chart_before_ours_is_not_taken_for_seen() -> None:
    later = (Later("dep_2", "1.2.2", NEWER),)
    verdict = judged("deployment", labelled({"helm.sh/chart": "podinfo-1.2.2"}), expectation(later=later))
    assert isinstance(verdict, Progressing)


WAITS: list[tuple[str, Any, str]] = [
    ("deployment", {"metadata": {"generation": 5}}, "has not seen the new spec"),
    ("deployment", {"metadata": {"generation": None}}, "has not seen the new spec"),
    ("deployment", {"status": None}, "has not seen the new spec"),
    ("deployment", {"spec": {"paused": True}}, "paused"),
    ("deployment", {"status": {"updatedReplicas": 1}}, "1 of 2 new replicas have been updated"),
    ("deployment", {"status": {"replicas": 3}}, "1 old replicas are pending termination"),
    ("deployment", {"status": {"availableReplicas": 1}}, "1 of 2 updated replicas are available"),
    ("deployment", {"status": {"readyReplicas": None}}, "0 of 2 updated replicas are available"),
    ("deployment", {"status": {"conditions": [AVAILABLE, ROLLING]}}, "(ReplicaSetUpdated)"),
    ("deployment", {"status": {"conditions": [ROLLED_OUT]}}, "not available yet"),
    ("deployment", {"status": {"updatedReplicas": 0, "conditions": [FORBIDDEN]}}, "created: exceeded quota"),
    ("deployment", {"metadata": {"deletionTimestamp": "2026-09-01T10:00:00Z"}}, "is being deleted"),
    ("statefulset", {"metadata": {"generation": 5}}, "has not seen the new spec"),
    ("statefulset", {"status": {"observedGeneration": 0}}, "has not seen the new spec"),
    ("statefulset", {"status": {"readyReplicas": 1}}, "1 of 2 replicas are ready"),
    ("statefulset", {"status": {"replicas": 3}}, "1 replicas are pending termination"),
    ("statefulset", {"status": {"currentRevision": "a", "updatedReplicas": 1}}, "1 of 2 replicas have been updated"),
    ("statefulset", {"status": {"currentRevision": None, "updateRevision": None}}, "2 of 2 replicas have been"),
    (
        "statefulset",
        {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}, "status": {"currentRevision": "podinfo-a"}},
        "partition 2 keeps all 2",
    ),
    (
        "statefulset",
        {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, "status": {"updatedReplicas": 0}},
        "0 of 1 replicas have been updated",
    ),
    (
        "statefulset",
        {"spec": {"updateStrategy": {"type": "OnDelete"}}, "status": {"updatedReplicas": 1}},
        "1 of 2 pods are updated; its strategy is OnDelete",
    ),
    ("daemonset", {"metadata": {"generation": 5}}, "has not seen the new spec"),
    ("daemonset", {"status": {"desiredNumberScheduled": None}}, "has not seen the new spec"),
    ("daemonset", {"status": {"updatedNumberScheduled": 1}}, "1 of 3 new pods are scheduled"),
    ("daemonset", {"status": {"numberAvailable": 2}}, "2 of 3 updated pods are available"),
    (
        "daemonset",
        {"spec": {"updateStrategy": {"type": "OnDelete"}}, "status": {"updatedNumberScheduled": 1}},
        "somebody has to delete",
    ),
    ("job", {"status": {"conditions": None, "active": 1, "succeeded": None}}, "1 pods active, 0 succeeded, 0 failed"),
    ("job", {"status": {"conditions": None}, "spec": {"suspend": True}}, "is suspended"),
]


@pytest.mark.parametrize(("kind", "change", "words"), WAITS)
def test_what_is_still_missing_is_waited_for_and_told(kind: str, change: Any, words: str) -> None:
    assert words in progressing(judged(kind, workload(kind, change)))


def test_a_partition_that_leaves_some_replicas_behind_on_purpose_is_done() -> None:
    change = {
        "spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}},
        "status": {"updatedReplicas": 1, "currentRevision": "podinfo-a"},
    }
    assert isinstance(judged("statefulset", workload("statefulset", change)), Succeeded)


@pytest.mark.parametrize("partition", [1, 2, 3])
def test_a_partition_keeps_nothing_behind_on_the_first_install(partition: int) -> None:
    change = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": partition}}}}
    assert isinstance(judged("statefulset", workload("statefulset", change)), Succeeded)


def test_pods_deleted_by_hand_finish_an_on_delete_stateful_set() -> None:
    change = {"spec": {"updateStrategy": {"type": "OnDelete"}}, "status": {"currentRevision": "podinfo-a"}}
    assert isinstance(judged("statefulset", workload("statefulset", change)), Succeeded)


def exceeded() -> dict[str, Any]:
    return workload("deployment", {"status": {"updatedReplicas": 1, "conditions": [EXCEEDED, FORBIDDEN]}})


def test_an_exceeded_progress_deadline_is_a_failure_with_its_cause() -> None:
    verdict = judged("deployment", exceeded())
    assert isinstance(verdict, Failed)
    assert verdict.reason == "progress-deadline-exceeded"
    assert "has timed out progressing" in verdict.message
    assert "exceeded quota" in verdict.message


def test_with_fail_after_zero_an_exceeded_deadline_waits_for_the_timeout() -> None:
    assert "has timed out" in progressing(judged("deployment", exceeded(), expectation(fail_after=0)))


def test_a_deadline_exceeded_before_our_content_is_not_ours() -> None:
    assert isinstance(
        judged("deployment", exceeded(), expectation(content_since=PUSHED_AT + timedelta(hours=1))), Progressing
    )


def test_a_deadline_that_another_chart_exceeded_is_not_ours() -> None:
    obj = merged(exceeded(), {"metadata": {"labels": OLD_LABELS}})
    assert isinstance(judged("deployment", obj), Progressing)


@pytest.mark.parametrize("fail_after", [0, 1, 5])
def test_a_failed_job_is_final_whatever_the_policy(fail_after: int) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "reached the limit"}
    obj = workload("job", {"status": {"conditions": [failed]}})
    verdict = judged("job", obj, expectation("job/podinfo", fail_after=fail_after))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "job-failed"
    assert "(BackoffLimitExceeded). reached the limit" in verdict.message


@pytest.mark.parametrize("kind", DONE)
def test_a_workload_that_does_not_exist_is_waited_for(kind: str) -> None:
    message = progressing(assess({}, expectation(f"{kind}/podinfo")))
    assert message.startswith(f"{KINDS[kind]} default/podinfo does not exist yet")


def test_a_job_that_had_our_chart_and_is_gone_may_have_failed() -> None:
    carried = (Carried("helm.sh/chart=podinfo-1.2.3", 1),)
    message = progressing(assess({}, expectation("job/podinfo", carried=carried)))
    assert message.startswith("Job default/podinfo had our chart, and is gone (a finished job may remove itself")


@pytest.mark.parametrize(
    ("name", "kind"), [("podinfo", "Deployment"), *((f"{kind}/podinfo", word) for kind, word in KINDS.items())]
)
def test_the_target_names_one_object(name: str, kind: str) -> None:
    target = expectation(name).target
    assert concerned({}, target) == (Ref(kind, "default", "podinfo"),)
    assert judge_for("workload").concerned({}, target) == concerned({}, target)


def test_an_unchanged_push_succeeds_at_once() -> None:
    verdict = judged("deployment", workload("deployment"), expectation(unchanged=True, content_since=None))
    assert isinstance(verdict, Succeeded)
    assert "already runs, unchanged" in verdict.message


BEFORE = {"metadata": {"generation": 3, "labels": OLD_LABELS}, "status": {"observedGeneration": 3}}
SEQUENCES: dict[str, list[Any]] = {
    "deployment": [
        BEFORE,
        {"metadata": {"generation": 4, "labels": OUR_LABELS}},
        {"status": {"conditions": [AVAILABLE, ROLLING | {"reason": "NewReplicaSetCreated"}]}},
        {"status": {"observedGeneration": 4, "updatedReplicas": None}},
        {"status": {"replicas": 3, "updatedReplicas": 1}},
        {"status": {"updatedReplicas": 2, "conditions": [AVAILABLE, ROLLING]}},
        {"status": {"replicas": 2, "availableReplicas": 1}},
        {"status": {"availableReplicas": 2}},
        {"status": {"conditions": [AVAILABLE, ROLLED_OUT]}},
    ],
    "statefulset": [
        BEFORE | {"status": {"observedGeneration": 3, "currentRevision": "podinfo-a", "updateRevision": "podinfo-a"}},
        {"metadata": {"generation": 4, "labels": OUR_LABELS}},
        {"status": {"observedGeneration": 4, "updateRevision": "podinfo-b", "updatedReplicas": None}},
        {"status": {"readyReplicas": 1, "updatedReplicas": 1}},
        {"status": {"readyReplicas": 2, "updatedReplicas": 2}},
        {"status": {"currentRevision": "podinfo-b"}},
    ],
    "daemonset": [
        BEFORE,
        {"metadata": {"generation": 4, "labels": OUR_LABELS}},
        {"status": {"observedGeneration": 4, "updatedNumberScheduled": None}},
        {"status": {"updatedNumberScheduled": 3, "numberAvailable": 2}},
        {"status": {"numberAvailable": 3}},
    ],
    "job": [
        {"metadata": {"labels": OLD_LABELS}},
        {"metadata": {"labels": OUR_LABELS}, "status": None},
        {"status": {"active": 1}},
        {"status": {"active": None, "succeeded": 1, "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}},
        {"status": {"conditions": [{"type": "Complete", "status": "True"}]}},
    ],
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_no_write_before_the_last_one_is_a_success(kind: str) -> None:
    obj, verdicts = workload(kind), []
    for patch in SEQUENCES[kind]:
        obj = merged(obj, patch)
        verdicts.append(type(judged(kind, obj)))
    assert verdicts == [Progressing] * (len(verdicts) - 1) + [Succeeded]


def leaves(obj: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = (
        [leaf for key, value in obj.items() for leaf in leaves(value, (*path, key))] if isinstance(obj, dict) else []
    )
    return [path, *below] if path else below


@given(data=st.data(), kind=st.sampled_from(sorted(DONE)))
def test_odd_objects_never_raise_and_without_a_proof_never_succeed(data: st.DataObject, kind: str) -> None:
    obj = copy.deepcopy(workload(kind))
    for path in data.draw(st.lists(st.sampled_from(leaves(obj)), min_size=1, max_size=4)):
        place = obj
        for step in path[:-1]:
            place = place[step] if isinstance(place.get(step), dict) else {}
        place[path[-1]] = data.draw(st.sampled_from([None, {}, [], "odd", -1, True, [None, {}, "x"]]))
    verdict = judged(kind, obj)
    assert verdict.message
    labels = obj["metadata"].get("labels") if isinstance(obj["metadata"], dict) else None
    if not isinstance(labels, dict) or not isinstance(obj["status"], dict):
        assert not isinstance(verdict, Succeeded)


def test_a_stamped_version_is_ours_only_with_a_commit_that_still_holds_our_chart() -> None:
    obj = labelled({"helm.sh/chart": f"podinfo-1.2.3_{NEWER[:12]}"})
    for relation in Relation:
        expected = replace(expectation(), relations={NEWER: relation})
        ours = relation in (Relation.OURS, Relation.DESCENDANT)
        assert isinstance(judged("deployment", obj, expected), Succeeded) is ours
