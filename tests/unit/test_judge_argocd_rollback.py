"""When the judge of kind argocd says that somebody took our chart back, and when it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from argocd_objects import (
    APPLICATION,
    BEFORE_OURS,
    DEGRADED,
    GAVE_UP,
    OURS_SYNCED,
    ROLLED_BACK,
    SOURCE,
    TAKEN_BACK,
    application,
    expectation,
    failed,
    judged,
    synced,
)
from flux_objects import EARLIER, NEWER, OURS, PUSHED_AT, merged
from hypothesis import given
from hypothesis import strategies as st

from dag_monitor.domain.argocd import assess, revisions
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict

STRANGE = "c" * 40


def with_history(*entries: Any, expected: Any = None, **status: Any) -> Verdict:
    return judged(ROLLED_BACK, {"status": {"history": [*entries], **status}}, expected=expected)


def without(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}


def test_a_rollback_after_our_sync_is_a_failure_that_names_who_and_to_what() -> None:
    verdict = failed(judged(ROLLED_BACK))
    assert verdict.reason == "rolled-back"
    assert verdict.message == (
        "Application argocd/podinfo was rolled back to commit aaaaaaa by admin after commit 4d1c3a9 of this deployment "
        "was synced, and does not sync by itself; this deploys what is in git: argocd app sync argocd/podinfo"
    )
    assert (verdict.evidence.revision, verdict.evidence.reason) == (EARLIER, "OutOfSync/Healthy")


def test_a_rollback_is_a_failure_although_failures_are_waited_for() -> None:
    assert failed(judged(ROLLED_BACK, expected=expectation(fail_after=0))).reason == "rolled-back"


def test_an_argo_cd_that_does_not_say_who_began_a_sync_leaves_the_name_out() -> None:
    verdict = failed(with_history(BEFORE_OURS, OURS_SYNCED, without(TAKEN_BACK, "initiatedBy")))
    assert "to commit aaaaaaa after commit" in verdict.message


def test_numbers_tell_the_order_of_syncs_within_a_second() -> None:
    within = [{**one, "deployedAt": "2026-09-01T10:00:14Z"} for one in (OURS_SYNCED, TAKEN_BACK)]
    assert failed(with_history(*within)).reason == "rolled-back"
    assert isinstance(with_history(*reversed(within)), Failed)
    renumbered = [{**within[0], "id": 9}, {**within[1], "id": 8}]
    assert isinstance(with_history(*renumbered), Progressing)


AGAIN = synced(10, OURS, "2026-09-01T10:01:00Z")
EARLY = {**TAKEN_BACK, "deployedAt": "2026-09-01T10:00:13Z"}
NOT_TAKEN_BACK: dict[str, Any] = {
    "automated sync brings ours back": {"spec": {"syncPolicy": {"automated": {}}}},
    "a sync is queued": {"operation": {"sync": {"revision": OURS}}},
    "a sync is under way": {"status": {"operationState": {"phase": "Running", "finishedAt": None}}},
    "a sync is being ended": {"status": {"operationState": {"phase": "Terminating"}}},
    "the Application is being deleted": {"metadata": {"deletionTimestamp": "2026-09-01T10:00:36Z"}},
    "not compared since": {"status": {"reconciledAt": "2026-09-01T10:00:34Z"}},
    "compared with another source": {"status": {"sync": {"comparedTo": None}}},
    "compared with a commit from before ours": {"status": {"sync": {"revision": EARLIER}}},
    "the comparison failed": {"status": {"sync": {"status": "Unknown"}}},
    "no history is kept": {"status": {"history": None}},
    "ours was never synced": {"status": {"history": [BEFORE_OURS, TAKEN_BACK]}},
    "only one sync is kept": {"status": {"history": [TAKEN_BACK]}},
    "ours is the newest again": {"status": {"history": [OURS_SYNCED, TAKEN_BACK, AGAIN]}},
    "Argo CD itself went back": {"status": {"history": [OURS_SYNCED, synced(9, EARLIER, "2026-09-01T10:00:35Z")]}},
    "it ended before ours": {"status": {"history": [OURS_SYNCED, EARLY]}},
    "it does not say when it ended": {"status": {"history": [OURS_SYNCED, without(TAKEN_BACK, "deployedAt")]}},
    "nobody can place its commit": {"status": {"history": [OURS_SYNCED, {**TAKEN_BACK, "revision": STRANGE}]}},
    "it names no commit": {"status": {"history": [OURS_SYNCED, without(TAKEN_BACK, "revision")]}},
}  # fmt: skip


@pytest.mark.parametrize("change", NOT_TAKEN_BACK.values(), ids=NOT_TAKEN_BACK)
def test_what_may_come_back_by_itself_or_is_not_proven_is_waited_for(change: Any) -> None:
    assert isinstance(judged(ROLLED_BACK, change), Progressing)


def test_a_rollback_to_manifests_that_are_ours_too_is_a_success() -> None:
    assert isinstance(judged(ROLLED_BACK, {"status": {"sync": {"status": "Synced"}}}), Succeeded)


def test_a_sync_to_a_commit_that_replaced_our_chart_is_no_rollback() -> None:
    replaced = expectation(relations={NEWER: Relation.REPLACED, EARLIER: Relation.ANCESTOR})
    newer = synced(9, NEWER, "2026-09-01T10:00:35Z", "admin")
    assert isinstance(with_history(OURS_SYNCED, newer, expected=replaced), Progressing)
    assert isinstance(with_history(OURS_SYNCED, newer, sync={"revision": NEWER}, expected=replaced), Superseded)


def test_of_two_deployments_back_to_back_a_rollback_to_the_first_fails_the_second_only() -> None:
    """To the first, the second is a later chart in its place; to the second, the first is from before it."""
    history = [synced(7, EARLIER, "2026-09-01T10:00:14Z"), synced(8, OURS, "2026-09-01T10:00:24Z"), TAKEN_BACK]
    assert failed(with_history(*history)).reason == "rolled-back"
    first = expectation(commit=EARLIER, relations={OURS: Relation.REPLACED})
    assert isinstance(with_history(*history, expected=first), Superseded)


def test_a_failed_sync_is_told_before_somebody_rolls_it_back_and_after_somebody_tries_again() -> None:
    assert failed(judged(GAVE_UP)).reason == "sync-failed"
    again = {"operation": {"sync": {"revision": OURS}}, "syncResult": {"revision": OURS}}
    tried = {"status": {"operationState": again}}
    assert failed(judged(ROLLED_BACK, GAVE_UP, tried)).reason == "sync-failed"


def test_what_was_degraded_and_then_rolled_back_is_rolled_back() -> None:
    assert failed(judged(ROLLED_BACK, DEGRADED)).reason == "rolled-back"


@pytest.mark.parametrize(
    ("minutes_after_our_push", "verdict"), [(-10, Progressing), (0, Progressing), (0.5, Progressing), (2, Failed)]
)
def test_an_unchanged_chart_counts_as_synced_only_if_that_was_surely_after_our_push(
    minutes_after_our_push: float, verdict: type[Verdict]
) -> None:
    at = PUSHED_AT + timedelta(minutes=minutes_after_our_push)
    same = expectation(unchanged=True, content_since=None)
    shortly_after = {**TAKEN_BACK, "deployedAt": (at + timedelta(seconds=20)).isoformat()}
    assert isinstance(
        with_history({**OURS_SYNCED, "deployedAt": at.isoformat()}, shortly_after, expected=same), verdict
    )


@pytest.mark.parametrize(("at", "verdict"), [("2026-09-01T09:59:30Z", Failed), ("2026-09-01T09:00:00Z", Progressing)])
def test_a_later_commit_with_our_chart_may_have_been_synced_before_the_log_heard_of_our_push_but_not_long_before(
    at: str, verdict: type[Verdict]
) -> None:
    assert isinstance(with_history(synced(8, NEWER, at), TAKEN_BACK), verdict)


VALUES = {"repoURL": "https://git.example.com/shop.git", "path": "values"}


@pytest.mark.parametrize(
    ("taken_back", "verdict"),
    [
        ([STRANGE, EARLIER], Failed),
        ([STRANGE, OURS], Progressing),
        ([STRANGE, NEWER], Progressing),
        ([STRANGE, EARLIER, EARLIER], Progressing),  # not one for each source: the strange one may be of ours
    ],
)
def test_of_several_sources_those_of_our_repository_tell(taken_back: list[str], verdict: type[Verdict]) -> None:
    sources = [VALUES, SOURCE]
    both: Any = {"revision": None, "source": {}, "sources": sources}
    history = [{**OURS_SYNCED, **both, "revisions": [STRANGE, OURS]}, {**TAKEN_BACK, **both, "revisions": taken_back}]
    compared = {"revision": None, "revisions": [STRANGE, OURS], "comparedTo": {"sources": sources, "source": None}}
    many = {"spec": {"source": None, "sources": sources}, "status": {"sync": compared, "history": history}}
    assert isinstance(judged(ROLLED_BACK, many), verdict)


def test_a_dry_run_of_our_commit_neither_fails_what_it_found_degraded_nor_fails_by_itself() -> None:
    dry: Any = {"operation": {"sync": {"revision": OURS, "dryRun": True}}, "syncResult": {"revision": OURS}}
    rehearsed: Any = {"status": {"operationState": dry, "sync": {"status": "OutOfSync"}}}
    for state in (DEGRADED, GAVE_UP):
        assert isinstance(judged(state), Failed)
        assert isinstance(judged(state, rehearsed), Progressing)


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ([OURS_SYNCED], Succeeded),
        ([BEFORE_OURS], Succeeded),
        ([synced(8, STRANGE, "2026-09-01T10:00:14Z")], Progressing),
        (None, Progressing),
    ],
)
def test_after_a_dry_run_the_history_tells_what_was_synced(history: Any, verdict: type[Verdict]) -> None:
    dry = {"operation": {"sync": {"revision": OURS, "dryRun": True}}}
    assert isinstance(judged({"status": {"operationState": dry, "history": history}}), verdict)


def test_commits_of_earlier_syncs_are_looked_up_only_where_nothing_syncs_by_itself() -> None:
    old = {"status": {"history": [synced(6, STRANGE, "2026-08-01T10:00:00Z"), OURS_SYNCED, TAKEN_BACK]}}
    target, automated = expectation().target, {"spec": {"syncPolicy": {"automated": {}}}}
    assert revisions({APPLICATION: application(ROLLED_BACK, old)}, target) == {OURS, EARLIER, STRANGE}
    assert revisions({APPLICATION: application(ROLLED_BACK, old, automated)}, target) == {OURS, EARLIER}


WRITES: list[Any] = [
    {"spec": {"syncPolicy": {"automated": None}}},
    {"operation": {"sync": {"revision": EARLIER}, "initiatedBy": {"username": "admin"}}},
    {"status": {"operationState": {"phase": "Running", "finishedAt": None, "startedAt": "2026-09-01T10:00:33Z"}}},
    {"status": {"operationState": ROLLED_BACK["status"]["operationState"] | {"finishedAt": None}}},
    {"status": {"history": ROLLED_BACK["status"]["history"]}},
    {"operation": None, "status": {"operationState": {"phase": "Succeeded", "finishedAt": "2026-09-01T10:00:35Z"}}},
    {"status": {"sync": {"status": "OutOfSync"}, "reconciledAt": "2026-09-01T10:00:36Z"}},
]


def test_no_write_of_a_rollback_before_the_last_one_is_a_failure() -> None:
    unwell = {"status": {"health": {"status": "Degraded"}, "history": [BEFORE_OURS, OURS_SYNCED]}}
    obj, verdicts = application(unwell), []
    for patch in WRITES:
        obj = merged(obj, patch)
        verdicts.append(type(assess({APPLICATION: obj}, expectation())))
    assert verdicts == [Progressing] * (len(verdicts) - 1) + [Failed]


COMMITS = {EARLIER: Relation.ANCESTOR, OURS: Relation.OURS, NEWER: Relation.DESCENDANT, "d" * 40: Relation.REPLACED}


@given(data=st.data())
def test_as_long_as_syncs_only_go_forward_nothing_is_called_a_rollback(data: st.DataObject) -> None:
    """Old syncs that end after our push, seconds that are the same, pauses of automated sync, newer pushes."""
    forward = sorted(data.draw(st.lists(st.integers(0, len(COMMITS) - 1), min_size=1, max_size=8)))
    seconds = sorted(data.draw(st.lists(st.integers(-90, 90), min_size=len(forward), max_size=len(forward))))
    history = [
        synced(
            number,
            list(COMMITS)[place],
            (PUSHED_AT + timedelta(seconds=second)).isoformat(),
            data.draw(st.sampled_from([None, "admin", {}])),
        )
        for number, (place, second) in enumerate(zip(forward, seconds, strict=True))
    ]
    compared = data.draw(st.sampled_from(list(COMMITS)[forward[-1] :]))
    change = {
        "spec": {
            "syncPolicy": data.draw(st.sampled_from([None, {"automated": {}}, {"automated": {"enabled": False}}]))
        },
        "status": {"history": history, "sync": {"revision": compared}},
    }
    knowing = expectation(relations=COMMITS, unchanged=data.draw(st.booleans()))
    verdict = judged(ROLLED_BACK, change, expected=knowing)
    assert not (isinstance(verdict, Failed) and verdict.reason == "rolled-back")
