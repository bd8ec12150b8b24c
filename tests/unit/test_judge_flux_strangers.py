"""Strangers on the branch, and versions used twice: what the judge says of what is not clearly ours."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flux_objects import (
    CHART,
    EARLIER,
    NEWER,
    OURS,
    PUSHED_AT,
    RELEASE,
    STATES,
    TARGET,
    condition,
    expectation,
    flux,
    without,
)
from flux_verdicts import (
    AT_EARLIER,
    AT_NEWER,
    BEFORE_OURS,
    FETCHED_EARLIER,
    IN_ITS_PLACE,
    ON_TOP,
    failed,
    packaged,
    progressing,
    superseded,
)

from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.flux import assess, revisions
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded

BOTH = {"status": {"lastAttemptedRevision": "1.2.4"}}


def test_a_foreign_chart_on_top_of_our_commit_supersedes_ours() -> None:
    objects = packaged(flux("before", chart=AT_NEWER), "1.2.4")
    verdict = superseded(assess(objects, expectation(relations=IN_ITS_PLACE)))
    assert (verdict.by, verdict.version, verdict.commit) == ("", "1.2.4", NEWER)
    assert "a change from outside DAG" in verdict.message


def test_a_foreign_commit_elsewhere_in_the_repository_changes_nothing() -> None:
    at_newer = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}"}}
    objects = flux("success", chart=at_newer, repository={"status": {"artifact": {"revision": f"main@sha1:{NEWER}"}}})
    assert isinstance(assess(objects, expectation(relations=ON_TOP)), Succeeded)


@pytest.mark.parametrize("state", ["success", "stalled", "render-error"])
def test_while_nobody_knows_how_a_foreign_commit_stands_to_ours_nothing_is_decided(state: str) -> None:
    """It may hold another chart under our version, or be from before ours."""
    at_newer = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}"}}
    objects = flux(state, chart=at_newer)
    assert "not known how it stands to commit 4d1c3a9" in progressing(assess(objects, expectation()))
    doubts = {NEWER: "it cannot be looked up: the git host is away"}
    for reused in (False, True):
        message = progressing(assess(objects, expectation(doubts=doubts, reused=reused)))
        assert message.endswith("from commit bbbbbbb: it cannot be looked up: the git host is away")


def test_a_foreign_chart_that_goes_by_our_version_is_never_a_success() -> None:
    at_newer = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}"}}
    objects = flux("success", chart=at_newer)
    verdict = superseded(assess(objects, expectation(relations=IN_ITS_PLACE)))
    assert (verdict.by, verdict.version, verdict.commit) == ("", "1.2.3", NEWER)
    busy = condition(objects, "Reconciling", CHART, status="True", reason="Progressing")
    ahead = condition(objects, "Ready", CHART, message="packaged 'podinfo' chart with version '9.9.9'")
    for unclear in (busy, ahead):
        assert isinstance(assess(unclear, expectation(relations=IN_ITS_PLACE)), Progressing)


def test_our_chart_may_become_healthy_while_flux_already_builds_a_foreign_one() -> None:
    assert isinstance(assess(flux("success", chart=AT_NEWER), expectation(relations=IN_ITS_PLACE)), Succeeded)


def test_a_foreign_revert_of_our_commit_supersedes_it() -> None:
    objects = packaged(flux("before", chart=AT_NEWER), "1.2.2")
    verdict = superseded(assess(objects, expectation(relations=IN_ITS_PLACE)))
    assert (verdict.by, verdict.version) == ("", "1.2.2")
    assert verdict.message.startswith("Chart version 1.2.2 (commit bbbbbbb) from a change from outside DAG took over")


@pytest.mark.parametrize("state", ["before", "success"])
def test_a_branch_that_was_rewritten_without_ours_fails_before_the_timeout(state: str) -> None:
    lost = {EARLIER: Relation.REMOVED}
    verdict = failed(assess(flux(state, chart=AT_EARLIER), expectation(relations=lost)))
    assert verdict.reason == "removed"
    assert "Commit 4d1c3a9 of this deployment is not on branch main any more" in verdict.message
    assert "the cluster is at commit aaaaaaa" in verdict.message


def test_a_repository_at_a_rewritten_branch_without_a_chart_to_see_fails_too() -> None:
    objects = without(flux("before", repository=FETCHED_EARLIER), CHART)
    assert failed(assess(objects, expectation(relations={EARLIER: Relation.REMOVED}))).reason == "removed"


def test_a_chart_of_ours_that_flux_took_before_the_branch_was_rewritten_may_become_healthy() -> None:
    objects = flux("success", repository=FETCHED_EARLIER)
    assert isinstance(assess(objects, expectation(relations={EARLIER: Relation.REMOVED})), Succeeded)


def test_a_commit_from_before_ours_is_waited_for_whatever_it_runs() -> None:
    chart = {"status": {"observedSourceArtifactRevision": f"main@sha1:{EARLIER}"}}
    for state in STATES:
        assert isinstance(assess(flux(state, chart=chart), expectation(relations=BEFORE_OURS)), Progressing)


def test_the_commits_that_a_verdict_depends_on_are_named() -> None:
    assert revisions({}, TARGET) == frozenset()
    assert revisions(flux("success", repository=FETCHED_EARLIER), TARGET) == {OURS, EARLIER}
    spec = {"chart": {"spec": {"reconcileStrategy": "Revision"}}}
    stamped = flux("success", release={"spec": spec, "status": {"lastAttemptedRevision": "1.2.3+cccccccccccc"}})
    assert "c" * 12 in revisions(stamped, TARGET)


def test_the_same_version_with_other_content_fails_because_flux_ignores_it() -> None:
    later = PUSHED_AT + timedelta(hours=1)
    again = expectation(previous_chart_version="1.2.3", reused=True, pushed_at=later, content_since=later)
    verdict = failed(assess(flux("success"), again))
    assert verdict.reason == "same-version"
    assert "Flux ignores a chart whose version did not change" in verdict.message


def test_the_same_version_with_other_content_fails_also_where_flux_adds_the_values_files() -> None:
    release = {
        "spec": {"chart": {"spec": {"valuesFiles": ["values.yaml"]}}},
        "status": {"lastAttemptedRevision": "1.2.3+7"},
    }
    objects = flux("success", release=release, chart={"status": {"artifact": {"revision": "1.2.3+7"}}})
    objects[RELEASE]["status"]["history"][0]["chartVersion"] = "1.2.3+7"
    assert isinstance(assess(objects, expectation()), Succeeded)
    later = PUSHED_AT + timedelta(hours=1)
    again = expectation(previous_chart_version="1.2.3", reused=True, pushed_at=later, content_since=later)
    assert failed(assess(objects, again)).reason == "same-version"


def test_an_unchanged_push_of_content_that_flux_ignored_fails_again() -> None:
    again = expectation(
        unchanged=True,
        previous_chart_version="1.2.3",
        reused=True,
        content_since=PUSHED_AT + timedelta(hours=1),
        pushed_at=PUSHED_AT + timedelta(hours=2),
    )
    assert failed(assess(flux("success"), again)).reason == "same-version"


def test_a_version_used_some_deployments_ago_fails_if_flux_kept_the_chart_it_had_built_then() -> None:
    """It went from the old chart to ours without a look at what lay between."""
    built = {"status": {"artifact": {"lastUpdateTime": "2026-08-30T09:00:00Z"}}}
    verdict = failed(assess(flux("success", chart=built), expectation(previous_chart_version="1.2.4")))
    assert verdict.reason == "same-version"
    assert "chartVersion: unique" in verdict.message
    busy = condition(flux("success", chart=built), "Reconciling", CHART, status="True", reason="Progressing")
    assert not isinstance(assess(busy, expectation(previous_chart_version="1.2.4")), Failed)


def test_the_same_version_is_deployed_again_with_the_strategy_revision() -> None:
    spec = {"chart": {"spec": {"reconcileStrategy": "Revision"}}}
    again = expectation(previous_chart_version="1.2.3", reused=True)
    for version, verdict in ((f"1.2.3+{OURS[:12]}", Succeeded), (f"1.2.3+{EARLIER[:12]}", Progressing)):
        objects = flux("success", release={"spec": spec, "status": {"lastAttemptedRevision": version}})
        objects[RELEASE]["status"]["history"][0]["chartVersion"] = version
        assert isinstance(assess(objects, again), verdict)


def test_a_reused_version_counts_if_the_chart_was_surely_built_after_our_push() -> None:
    at_11 = {"status": {"artifact": {"lastUpdateTime": "2026-09-01T11:00:00Z"}}}
    objects = flux("success", chart=at_11)
    objects[RELEASE]["status"]["history"][0]["lastDeployed"] = "2026-09-01T11:00:05Z"
    assert isinstance(assess(objects, expectation(previous_chart_version="1.2.3", reused=True)), Succeeded)


def test_two_contents_of_one_version_close_together_are_waited_for_unless_ours_surely_was_ignored() -> None:
    again = expectation(previous_chart_version="1.2.3", reused=True)
    message = progressing(assess(flux("success"), again))
    assert "was built at 2026-09-01 10:00:06 UTC, about when this chart was committed over another one" in message
    assert "chartVersion: unique" in message
    stored_later = {"status": {"artifact": {"lastUpdateTime": "2026-09-01T10:00:07Z"}}}
    assert failed(assess(flux("success", repository=stored_later), again)).reason == "same-version"
    for change in (
        {
            "repository": {
                "status": {"artifact": {"revision": f"main@sha1:{NEWER}"} | stored_later["status"]["artifact"]}
            }
        },
        {"chart": {"status": {"artifact": {"lastUpdateTime": "2026-09-01T09:59:01Z"}}}, "repository": {"status": None}},
    ):
        assert isinstance(assess(flux("success", **change), again), Progressing)
    long_before = {"status": {"artifact": {"lastUpdateTime": "2026-09-01T09:58:59Z"}}}
    assert failed(assess(flux("success", chart=long_before), again)).reason == "same-version"


def test_a_reused_version_says_nothing_before_flux_attempts_it() -> None:
    assert isinstance(assess(flux("before"), expectation(reused=True)), Progressing)


def test_a_foreign_chart_that_flux_attempts_supersedes_ours() -> None:
    objects = packaged(flux("progressing", release=BOTH, chart=AT_NEWER), "1.2.4")
    assert superseded(assess(objects, expectation(relations=IN_ITS_PLACE))).version == "1.2.4"
