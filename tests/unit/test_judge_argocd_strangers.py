"""Strangers on the branch that an Application follows: what is theirs, what is lost, and what nobody knows."""

from __future__ import annotations

from argocd_objects import APPLICATION, BEFORE, application, expectation, failed, judged, progressing
from flux_objects import EARLIER, NEWER, OURS

from dag_monitor.domain.argocd import revisions
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.verdict import Succeeded, Superseded


def test_a_foreign_chart_or_revert_in_the_place_of_ours_supersedes_it_by_nobody_of_ours() -> None:
    replaced = expectation(relations={NEWER: Relation.REPLACED})
    verdict = judged({"status": {"sync": {"revision": NEWER}}}, expected=replaced)
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.commit) == ("", NEWER)
    assert "from a change from outside DAG took over" in verdict.message


def test_a_branch_that_was_rewritten_without_ours_fails_before_the_timeout() -> None:
    verdict = failed(judged(BEFORE, expected=expectation(relations={EARLIER: Relation.REMOVED})))
    assert verdict.reason == "removed"
    assert "Commit 4d1c3a9 of this deployment is not on branch main any more" in verdict.message


def test_one_source_at_a_rewritten_branch_says_nothing_against_another_at_our_commit() -> None:
    lost = expectation(relations={EARLIER: Relation.REMOVED})
    both = {"status": {"sync": {"revision": None, "revisions": [OURS, EARLIER]}}}
    assert isinstance(judged(both, expected=lost), Succeeded)


def test_a_commit_that_nobody_can_place_is_waited_for_and_says_why() -> None:
    at = {"status": {"sync": {"revision": NEWER}}}
    doubts = {NEWER: "it cannot be looked up: the git host is away"}
    message = progressing(judged(at, expected=expectation(relations={}, doubts=doubts)))
    assert message == "Application argocd/podinfo is at commit bbbbbbb: it cannot be looked up: the git host is away"


def test_the_commits_that_a_verdict_depends_on_are_named() -> None:
    target = expectation().target
    assert revisions({}, target) == frozenset()
    assert revisions({APPLICATION: application({"status": {"sync": {"revisions": ["6.0.0", NEWER]}}})}, target) == {
        OURS,
        NEWER,
    }
