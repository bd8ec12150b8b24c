"""What the judge of kind argocd says of an Application, state by state and write by write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from argocd_objects import (
    APPLICATION,
    BEFORE,
    BROKEN,
    DEGRADED,
    GAVE_UP,
    OPERATED_EARLIER,
    RETRYING,
    SOURCE,
    application,
    expectation,
    failed,
    judged,
    progressing,
)
from flux_objects import EARLIER, NEWER, OURS, PUSHED_AT, merged
from hypothesis import given
from hypothesis import strategies as st

from dag_monitor.domain.argocd import assess, concerned
from dag_monitor.domain.expectation import Later, Relation
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict


def test_our_commit_synced_and_healthy_is_a_success() -> None:
    verdict = judged()
    assert isinstance(verdict, Succeeded)
    assert verdict.message == (
        "podinfo 1.2.3 runs: Application argocd/podinfo is synced to commit 4d1c3a9 and healthy."
    )
    assert verdict.evidence.object == "Application argocd/podinfo"
    assert (verdict.evidence.revision, verdict.evidence.reason) == (OURS, "Synced/Healthy")


@pytest.mark.parametrize(
    ("relation", "verdict"),
    [
        (Relation.DESCENDANT, Succeeded),
        (Relation.REPLACED, Superseded),
        (Relation.ANCESTOR, Progressing),
        (Relation.REMOVED, Failed),
        (Relation.UNKNOWN, Progressing),
    ],
)
def test_a_commit_proves_as_much_as_it_contains(relation: Relation, verdict: type[Verdict]) -> None:
    at_newer = {"sync": {"revision": NEWER}, "operationState": {"syncResult": {"revision": NEWER}}}
    assert isinstance(judged({"status": at_newer}, expected=expectation(relations={NEWER: relation})), verdict)


def test_one_of_several_sources_at_our_commit_is_enough() -> None:
    sources = [{"repoURL": "https://charts.example.com", "chart": "base"}, SOURCE]
    many = {
        "spec": {"source": None, "sources": sources},
        "status": {
            "sync": {"revision": None, "revisions": ["6.0.0", OURS], "comparedTo": {"source": None, "sources": sources}}
        },
    }
    assert isinstance(judged(many), Succeeded)
    changed = {"spec": {"sources": [*sources, {"repoURL": "https://charts.example.com", "chart": "more"}]}}
    assert "changed source" in progressing(judged(many, changed))


def test_a_commit_without_differences_needs_no_sync_of_its_own() -> None:
    assert isinstance(judged({"status": {"operationState": None}}), Succeeded)
    assert isinstance(judged({"status": {"operationState": OPERATED_EARLIER}}), Succeeded)


def test_a_sync_of_an_unknown_commit_after_our_push_proves_nothing() -> None:
    unknown = {"syncResult": {"revision": "c" * 40}}
    assert "not known to hold commit 4d1c3a9" in progressing(judged({"status": {"operationState": unknown}}))


def test_a_sync_that_does_not_say_how_it_ended_proves_nothing() -> None:
    assert isinstance(judged({"status": {"operationState": {"phase": None}}}), Progressing)


WAITS: list[tuple[Any, str]] = [
    ({"metadata": {"deletionTimestamp": "2026-09-01T10:00:00Z"}}, "is being deleted"),
    ({"status": None}, "has not been looked at"),
    ({"operation": {"sync": {"revision": OURS}}}, "has a sync queued"),
    ({"status": {"sync": {"revision": EARLIER}}}, "is at aaaaaaa; waiting for commit 4d1c3a9 or a later one"),
    ({"status": {"sync": {"revision": None}}}, "is at no commit"),
    ({"status": {"sync": {"status": "OutOfSync"}}}, "is OutOfSync at commit 4d1c3a9"),
    ({"status": {"sync": {"status": "Unknown"}}}, "is Unknown at commit"),
    ({"status": {"sync": {"comparedTo": {"source": {"targetRevision": "other"}}}}}, "changed source"),
    ({"status": {"sync": {"comparedTo": None}}}, "changed source"),
    ({"status": {"operationState": {"phase": "Running", "finishedAt": None}}}, "Argo CD syncs Application"),
    ({"status": {"operationState": {"phase": "Terminating"}}}, "Argo CD syncs Application"),
    ({"status": {"operationState": {"finishedAt": None}}}, "not known to hold"),
    ({"status": {"reconciledAt": "2026-09-01T10:00:13Z"}}, "health to be looked at again"),
    ({"status": {"reconciledAt": None}}, "health to be looked at again"),
    ({"status": {"health": {"status": "Progressing", "message": "1 of 2"}}}, "its health is Progressing: 1 of 2"),
    ({"status": {"health": {"status": "Missing"}}}, "its health is Missing"),
    ({"status": {"health": {"status": "Suspended"}}}, "suspended, until somebody resumes it"),
    ({"status": {"health": None}}, "its health is unknown"),
    ({"status": {"conditions": [{"type": "ComparisonError", "message": "no host"}]}}, "ComparisonError: no host"),
    ({"status": {"conditions": [{"type": "UnknownError", "message": "odd"}]}}, "shows UnknownError: odd"),
]


@pytest.mark.parametrize(("change", "words"), WAITS)
def test_success_is_a_conjunction_and_what_is_missing_is_told(change: Any, words: str) -> None:
    assert words in progressing(judged(change))


def test_health_looked_at_in_the_second_the_sync_ended_counts() -> None:
    assert isinstance(judged({"status": {"reconciledAt": "2026-09-01T10:00:14Z"}}), Succeeded)


def test_warnings_are_no_errors() -> None:
    warning = {"type": "OrphanedResourceWarning", "message": "1 orphan"}
    assert isinstance(judged({"status": {"conditions": [warning]}}), Succeeded)


@pytest.mark.parametrize("policy", [None, {"automated": None}, {"automated": {"enabled": False}}])
def test_an_application_that_does_not_sync_by_itself_waits_and_says_how(policy: Any) -> None:
    waiting = {"spec": {"syncPolicy": None}, "status": {"sync": {"status": "OutOfSync"}}}
    message = progressing(judged(waiting, {"spec": {"syncPolicy": policy}}))
    assert message.endswith("argocd app sync argocd/podinfo")


def test_a_sync_that_argo_gave_up_is_a_failure() -> None:
    verdict = failed(judged(GAVE_UP, expected=expectation(fail_after=0)))
    assert verdict.reason == "sync-failed"
    assert verdict.message == "one or more objects failed to apply, reason: boom."


def test_a_sync_that_never_came_to_a_result_is_known_by_its_operation() -> None:
    assert failed(judged(GAVE_UP, {"status": {"operationState": {"phase": "Error", "syncResult": None}}})).reason


def test_a_failed_sync_with_the_next_one_queued_is_waited_for() -> None:
    assert isinstance(judged(GAVE_UP, {"operation": {"sync": {"revision": OURS}}}), Progressing)


def test_a_failed_sync_of_an_earlier_commit_is_not_ours() -> None:
    message = progressing(judged(GAVE_UP, {"status": {"operationState": OPERATED_EARLIER}}))
    assert "Failed last sync" not in message


def test_a_retry_counts_as_often_as_the_target_allows() -> None:
    assert failed(judged(RETRYING)).reason == "sync-failed"
    for allowed in (0, 2):
        message = progressing(judged(RETRYING, expected=expectation(fail_after=allowed)))
        assert message.startswith("Attempt 1 failed: one or more objects failed to apply.")


def test_a_retry_count_that_the_sync_before_left_is_no_failed_attempt() -> None:
    underway = {"status": {"operationState": {"finishedAt": None}}}
    assert "Argo CD syncs" in progressing(judged(RETRYING, underway))


def test_a_degraded_application_after_our_sync_is_a_failure() -> None:
    verdict = failed(judged(DEGRADED))
    assert verdict.reason == "degraded"
    assert "1 pod crashes" in verdict.message


@pytest.mark.parametrize(
    "change",
    [
        {"reconciledAt": "2026-09-01T10:00:40Z"},
        {"health": {"lastTransitionTime": "2026-09-01T10:02:50Z"}},
        {"operationState": {"finishedAt": "2026-09-01T10:02:50Z"}},
        {"operationState": OPERATED_EARLIER},
        {"operationState": {"phase": "Running", "finishedAt": None}},
        {"sync": {"revision": EARLIER}},
        {"sync": {"comparedTo": None}},
    ],
)
def test_degraded_for_a_moment_or_for_another_reason_is_waited_for(change: Any) -> None:
    assert isinstance(judged(DEGRADED, {"status": change}), Progressing)


def test_with_fail_after_zero_a_degraded_application_waits_for_the_timeout() -> None:
    assert "Degraded: 1 pod crashes" in progressing(judged(DEGRADED, expected=expectation(fail_after=0)))


@pytest.mark.parametrize(
    ("type_", "code"), [("ComparisonError", "comparison-error"), ("InvalidSpecError", "invalid-spec")]
)
def test_an_error_on_our_commit_that_lasts_is_a_failure(type_: str, code: str) -> None:
    lasting = application(BROKEN)
    lasting["status"]["conditions"][0]["type"] = type_
    verdict = failed(assess({APPLICATION: lasting}, expectation()))
    assert verdict.reason == code
    assert "helm template failed" in verdict.message


@pytest.mark.parametrize("named", [None, "main"])
def test_a_comparison_that_fails_names_no_commit_and_counts_from_our_push(named: str | None) -> None:
    nameless = {"sync": {"revision": named}}
    verdict = failed(judged(BROKEN, {"status": nameless}))
    assert verdict.reason == "comparison-error"
    assert verdict.message == "Application argocd/podinfo shows ComparisonError: helm template failed."
    before = {"type": "ComparisonError", "message": "x", "lastTransitionTime": "2026-09-01T09:00:00Z"}
    for change in (
        {"conditions": [before]},
        {"sync": {"status": "OutOfSync"}},
        {"reconciledAt": "2026-09-01T10:02:00Z"},
    ):
        assert isinstance(judged(BROKEN, {"status": nameless}, {"status": change}), Progressing)
    assert isinstance(judged(BROKEN, {"status": nameless}, expected=expectation(fail_after=0)), Progressing)


@pytest.mark.parametrize(
    "change",
    [
        {"reconciledAt": "2026-09-01T10:02:00Z"},
        {"sync": {"revision": EARLIER}},
        {"conditions": [{"type": "ComparisonError", "message": "x", "lastTransitionTime": "2026-09-01T09:00:00Z"}]},
        {"conditions": [{"type": "ComparisonError", "message": "x"}]},
    ],
)
def test_an_error_that_may_pass_or_was_there_before_is_waited_for(change: Any) -> None:
    assert isinstance(judged(BROKEN, {"status": change}), Progressing)


def test_a_later_deployment_supersedes_ours_by_its_commit() -> None:
    later = (Later("dep_2", "1.2.4", NEWER),)
    verdict = judged({"status": {"sync": {"revision": NEWER}}}, expected=expectation(later=later, relations={}))
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.version, verdict.commit) == ("dep_2", "1.2.4", NEWER)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("charts/other", True), ("chart", True), ("charts/podinfo/", False), ("./charts", False), (".", False)],
)
def test_an_application_that_takes_another_directory_fails_and_says_so(path: str, wrong: bool) -> None:
    source = {**SOURCE, "path": path}
    verdict = judged({"spec": {"source": source}, "status": {"sync": {"comparedTo": {"source": source}}}})
    assert isinstance(verdict, Failed if wrong else Succeeded)


def test_an_application_that_does_not_exist_is_waited_for() -> None:
    assert progressing(assess({}, expectation())) == "Application argocd/podinfo does not exist yet"


def test_the_application_is_all_that_is_looked_at() -> None:
    target = expectation().target
    assert concerned({}, target) == judge_for("argocd").concerned({}, target) == (APPLICATION,)


def test_words_of_argo_are_told_without_credentials() -> None:
    error = {"type": "ComparisonError", "message": "cannot clone https://bot:hunter2@git.example.com/iac.git"}
    message = progressing(judged({"status": {"conditions": [error]}}))
    assert "hunter2" not in message


NOTICED: Any = {"status": {"sync": {"status": "OutOfSync", "revision": OURS}, "reconciledAt": "2026-09-01T10:00:09Z"}}
QUEUED: Any = {"operation": {"sync": {"revision": OURS}}}
STARTED: Any = {
    "status": {
        "operationState": {
            "phase": "Running", "finishedAt": None, "syncResult": None, "operation": {"sync": {"revision": OURS}},
            "startedAt": "2026-09-01T10:00:10Z", "message": "",
        }
    }
}  # fmt: skip
APPLYING: Any = {"status": {"operationState": {"syncResult": {"revision": OURS}}}}
APPLIED: Any = {
    "operation": None,
    "status": {"operationState": {"phase": "Succeeded", "finishedAt": "2026-09-01T10:00:14Z"}},
}
UNHEALTHY: Any = {
    "status": {
        "sync": {"status": "Synced"},
        "health": {"status": "Progressing", "lastTransitionTime": "2026-09-01T10:00:15Z"},
        "reconciledAt": "2026-09-01T10:00:15Z",
    }
}
HEALED: Any = {
    "status": {
        "health": {"status": "Healthy", "lastTransitionTime": "2026-09-01T10:00:41Z"},
        "reconciledAt": "2026-09-01T10:00:41Z",
    }
}
WAITS_TO_RETRY: Any = {
    "status": {"operationState": {"phase": "Running", "finishedAt": "2026-09-01T10:00:12Z", "retryCount": 1}}
}
RETRIED: Any = {"status": {"operationState": {"finishedAt": None}}}
SEQUENCES: dict[str, list[Any]] = {
    "synced at once": [BEFORE, NOTICED, QUEUED, STARTED, APPLYING, APPLIED, UNHEALTHY, HEALED],
    "synced at the second attempt": [
        *(BEFORE, NOTICED, QUEUED, STARTED, APPLYING, WAITS_TO_RETRY, RETRIED),
        *(APPLYING, APPLIED, UNHEALTHY, HEALED),
    ],
    "degraded in between": [BEFORE, NOTICED, QUEUED, STARTED, APPLYING, APPLIED, UNHEALTHY, DEGRADED, HEALED],
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_no_write_before_the_last_one_is_a_success(name: str) -> None:
    obj, verdicts = application(), []
    for patch in SEQUENCES[name]:
        obj = merged(obj, patch)
        verdicts.append(type(assess({APPLICATION: obj}, expectation(fail_after=0))))
    assert verdicts == [Progressing] * (len(verdicts) - 1) + [Succeeded]


def test_an_unchanged_push_succeeds_at_once_where_argo_is_at_that_commit() -> None:
    same = expectation(unchanged=True, content_since=None, pushed_at=PUSHED_AT + timedelta(days=1))
    verdict = judged(expected=same)
    assert isinstance(verdict, Succeeded)
    assert "already runs, unchanged" in verdict.message


def leaves(obj: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = (
        [leaf for key, value in obj.items() for leaf in leaves(value, (*path, key))] if isinstance(obj, dict) else []
    )
    return [path, *below] if path else below


@given(data=st.data(), state=st.sampled_from([{}, RETRYING, GAVE_UP, DEGRADED, BROKEN]))
def test_odd_applications_never_raise_and_without_a_proof_never_succeed(data: st.DataObject, state: Any) -> None:
    obj = application(state)
    for path in data.draw(st.lists(st.sampled_from(leaves(obj)), min_size=1, max_size=4)):
        place = obj
        for step in path[:-1]:
            place = place[step] if isinstance(place.get(step), dict) else {}
        place[path[-1]] = data.draw(st.sampled_from([None, {}, [], "odd", -1, True, [None, {}, "x"]]))
    verdict = assess({APPLICATION: obj}, expectation())
    assert verdict.message
    status = obj["status"] if isinstance(obj["status"], dict) else {}
    proven = all(isinstance(status.get(part), dict) for part in ("sync", "health"))
    if not proven or not isinstance(status.get("reconciledAt"), str):
        assert not isinstance(verdict, Succeeded)
