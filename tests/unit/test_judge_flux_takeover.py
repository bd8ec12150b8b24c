"""Newer, foreign and repeated charts: whose is what the cluster runs, and what the judge says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flux_objects import (
    CHART,
    EARLIER,
    NEWER,
    OURS,
    PUSHED_AT,
    RELEASE,
    REPOSITORY,
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
    unbuilt,
)

from dag_monitor.domain.expectation import Later, Ref, Relation
from dag_monitor.domain.flux import assess, concerned, revisions
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded

LATER = Later("0199-newer", "1.2.4", NEWER)
BOTH = {"status": {"lastAttemptedRevision": "1.2.4"}}


def test_a_newer_deployment_that_flux_attempts_supersedes_ours_and_is_named() -> None:
    verdict = superseded(assess(flux("progressing", release=BOTH, chart=AT_NEWER), expectation(later=(LATER,))))
    assert (verdict.by, verdict.version, verdict.commit) == ("0199-newer", "1.2.4", NEWER)
    assert (
        "deployment 0199-newer took over HelmRelease default/podinfo before 1.2.3 was seen healthy" in verdict.message
    )


def test_a_version_deployed_long_ago_is_not_taken_for_its_newer_deployment() -> None:
    objects = flux("progressing", release=BOTH, chart=AT_EARLIER)
    assert isinstance(assess(objects, expectation(later=(LATER,), relations=BEFORE_OURS)), Progressing)


def test_a_newer_deployment_with_our_version_cannot_be_told_from_ours() -> None:
    at_newer = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}"}}
    twin = Later("0199-twin", "1.2.3", NEWER)
    assert superseded(assess(flux("success", chart=at_newer), expectation(later=(twin,)))).by == "0199-twin"
    assert isinstance(assess(flux("success"), expectation(later=(twin,))), Succeeded)


def test_a_return_to_the_chart_that_a_rollback_had_restored_is_a_success() -> None:
    done = "Helm upgrade succeeded for release default/podinfo.v5 with chart podinfo@1.2.2"
    objects = condition(
        flux("rolled-back", release={"status": {"lastAttemptedRevision": "1.2.2"}}), "Remediated", status=None
    )
    for type_ in ("Ready", "Released"):
        objects = condition(objects, type_, status="True", reason="UpgradeSucceeded", message=done)
    objects = condition(objects, "Reconciling", status=None)
    back = expectation(
        chart_version="1.2.2",
        previous_chart_version="1.2.3",
        pushed_at=PUSHED_AT + timedelta(hours=1),
        content_since=PUSHED_AT - timedelta(days=2),
    )
    objects[CHART]["status"]["artifact"]["revision"] = "1.2.2"
    assert isinstance(assess(objects, back), Succeeded)


def test_a_newer_deployment_that_flux_has_not_reached_changes_nothing() -> None:
    assert isinstance(assess(flux("progressing"), expectation(later=(LATER,))), Progressing)
    assert isinstance(assess(flux("success"), expectation(later=(LATER,))), Succeeded)


def test_a_return_to_the_version_before_ours_is_not_taken_for_the_old_state() -> None:
    back = Later("0199-back", "1.2.2", NEWER)
    assert isinstance(
        assess(flux("before", chart=AT_EARLIER), expectation(later=(back,), relations=BEFORE_OURS)), Progressing
    )
    built = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}", "artifact": {"revision": "1.2.2"}}}
    assert superseded(assess(flux("before", chart=built), expectation(later=(back,)))).by == "0199-back"


def test_a_commit_that_flux_passed_over_is_superseded_before_anything_is_attempted() -> None:
    assert superseded(assess(flux("before", chart=AT_NEWER), expectation(later=(LATER,)))).by == "0199-newer"


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


def test_a_release_on_top_of_ours_in_the_history_supersedes_it() -> None:
    objects = flux("success", release={"status": {"lastAttemptedRevision": "1.3.0"}})
    newest = {"version": 5, "status": "deployed", "action": "upgrade", "chartName": "podinfo", "chartVersion": "1.3.0"}
    objects[RELEASE]["status"]["history"].insert(0, newest)
    early = expectation(pushed_at=PUSHED_AT - timedelta(minutes=5), content_since=PUSHED_AT - timedelta(minutes=5))
    assert superseded(assess(objects, early)).version == "1.3.0"


def test_a_cluster_that_lags_behind_is_not_superseded() -> None:
    objects = without(flux("before", release={"status": {"lastAttemptedRevision": "1.1.0"}}), CHART, REPOSITORY)
    assert isinstance(assess(objects, expectation(later=(LATER,))), Progressing)


def test_the_same_version_with_other_content_fails_because_flux_ignores_it() -> None:
    again = expectation(previous_chart_version="1.2.3", reused=True, pushed_at=PUSHED_AT + timedelta(hours=1))
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
    again = expectation(previous_chart_version="1.2.3", reused=True)
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


def test_a_release_from_before_our_content_only_shares_the_version() -> None:
    late = expectation(content_since=PUSHED_AT + timedelta(hours=1), pushed_at=PUSHED_AT + timedelta(hours=1))
    assert "before this chart was committed" in progressing(assess(without(flux("success"), CHART), late))


def test_a_chart_still_built_from_before_our_commit_proves_nothing() -> None:
    chart = {"status": {"observedSourceArtifactRevision": f"main@sha1:{EARLIER}"}}
    assert isinstance(assess(flux("success", chart=chart), expectation(relations=BEFORE_OURS)), Progressing)
    assert isinstance(assess(flux("stalled", chart=chart), expectation(relations=BEFORE_OURS)), Progressing)


def test_an_unchanged_push_succeeds_at_once_if_the_chart_runs() -> None:
    same = expectation(unchanged=True, previous_chart_version="1.2.3", content_since=None, commit=NEWER)
    verdict = assess(flux("success"), replace(same, relations={OURS: Relation.ANCESTOR}))
    assert isinstance(verdict, Succeeded)
    assert "already runs, unchanged" in verdict.message


def test_an_unchanged_push_of_a_chart_that_failed_fails_at_once() -> None:
    same = expectation(unchanged=True, previous_chart_version="1.2.3", content_since=None)
    assert isinstance(assess(flux("stalled"), same), Failed)


@pytest.mark.parametrize(
    ("spec", "observed", "ours", "same"),
    [
        ({}, "1.2.3", "1.2.3", True),
        ({}, "v1.2.3", "1.2.3", True),
        ({}, "1.2.0", "v1.2", True),
        ({}, "1.2.3-rc.1", "1.2.3", False),
        ({}, "1.2.3-rc.1", "1.2.3-rc.1", True),
        ({}, "1.2.3+one", "1.2.3+two", False),
        ({}, "1.2.3+7", "1.2.3", False),
        ({"valuesFiles": ["values.yaml"]}, "1.2.3+7", "1.2.3", True),
        ({"reconcileStrategy": "Revision"}, f"1.2.3+{OURS[:12]}", "1.2.3", True),
        ({"reconcileStrategy": "Revision"}, f"1.2.3+{EARLIER[:12]}", "1.2.3", False),
        ({"reconcileStrategy": "Revision"}, "1.2.3+cccccccccccc", "1.2.3", False),
        ({"reconcileStrategy": "Revision"}, f"1.2.3+{OURS[:12]}", "1.2.3+replaced", True),
        ({"reconcileStrategy": "Revision", "valuesFiles": ["v.yaml"]}, f"1.2.3+{OURS[:12]}.7", "1.2.3", True),
        ({}, "nonsense", "1.2.3", False),
        ({}, "nonsense", "nonsense", True),
    ],
)
def test_versions_are_compared_as_flux_composes_them(spec: Any, observed: str, ours: str, same: bool) -> None:
    objects = flux(
        "success", release={"spec": {"chart": {"spec": spec}}, "status": {"lastAttemptedRevision": observed}}
    )
    objects[RELEASE]["status"]["history"][0]["chartVersion"] = observed
    verdict = assess(objects, expectation(chart_version=ours, relations=BEFORE_OURS))
    assert isinstance(verdict, Succeeded) is same


def test_an_oci_chart_is_known_by_its_digest() -> None:
    release = {
        "spec": {"chart": None, "chartRef": {"kind": "OCIRepository", "name": "podinfo"}},
        "status": {"lastAttemptedRevision": "1.2.3+0123456789ab", "helmChart": None},
    }
    objects = flux("success", release=release)
    objects[RELEASE]["status"]["history"][0]["chartVersion"] = "1.2.3+0123456789ab"
    assert isinstance(assess(objects, expectation()), Succeeded)


@pytest.mark.parametrize(
    "revision",
    [
        f"main@sha1:{OURS}",
        f"feature/x@sha1:{OURS}",
        f"refs/heads/main@sha1:{OURS}",
        f"sha1:{OURS}",
        f"main/{OURS}",
        f"a@b@sha1:{OURS}",
    ],
)
def test_the_commit_is_found_in_every_form_of_a_revision(revision: str) -> None:
    objects = unbuilt("ValuesFilesError", stalled=True)
    objects[CHART]["status"]["observedSourceArtifactRevision"] = revision
    assert failed(assess(objects, expectation())).reason == "chart-build-failed"


def test_the_objects_concerned_follow_from_the_release() -> None:
    assert concerned({}, TARGET) == (RELEASE,)
    assert concerned(flux("before"), TARGET) == (RELEASE, CHART, REPOSITORY)
    by_ref = flux("before", release={"spec": {"chart": None, "chartRef": {"kind": "HelmChart", "name": "shared"}}})
    assert concerned(by_ref, TARGET) == (RELEASE, Ref("HelmChart", "default", "shared"))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("odd", [None, {}, [], "text", 7, {"conditions": "text", "history": {}, "artifact": []}])
def test_odd_objects_never_raise_and_never_succeed(state: str, odd: Any) -> None:
    for ref in (RELEASE, CHART, REPOSITORY):
        for part in ("status", "spec", "metadata"):
            objects = flux(state)
            objects[ref] = {**objects[ref], part: odd}
            verdict = assess(objects, expectation())
            assert verdict.message
            if ref == RELEASE and part == "status":
                assert not isinstance(verdict, Succeeded)


def test_a_verdict_carries_what_it_rests_on() -> None:
    moment = datetime(2026, 9, 1, tzinfo=UTC)
    verdict = assess(flux("stalled"), expectation(content_since=moment))
    assert failed(verdict).evidence.revision == "1.2.2"


@pytest.mark.parametrize("status", ["False", "Unknown", None])
def test_a_release_that_is_not_ready_is_no_success(status: str | None) -> None:
    assert isinstance(assess(condition(flux("success"), "Ready", status=status), expectation()), Progressing)


@pytest.mark.parametrize("state", ["stalled", "stalled-at-once", "rolled-back", "render-error"])
def test_a_failure_from_before_our_content_only_shares_the_version(state: str) -> None:
    late = expectation(content_since=PUSHED_AT + timedelta(hours=1), pushed_at=PUSHED_AT + timedelta(hours=1))
    assert isinstance(assess(without(flux(state), CHART), late), Progressing)


def test_a_reused_version_counts_if_the_chart_was_surely_built_after_our_push() -> None:
    at_11 = {"status": {"artifact": {"lastUpdateTime": "2026-09-01T11:00:00Z"}}}
    objects = flux("success", chart=at_11)
    objects[RELEASE]["status"]["history"][0]["lastDeployed"] = "2026-09-01T11:00:05Z"
    assert isinstance(assess(objects, expectation(previous_chart_version="1.2.3", reused=True)), Succeeded)


def test_a_reused_version_says_nothing_before_flux_attempts_it() -> None:
    assert isinstance(assess(flux("before"), expectation(reused=True)), Progressing)


def test_the_next_commit_failing_to_build_is_not_our_failure() -> None:
    """Its conditions are written before the commit they are about, beside the chart that was built from ours."""
    objects = unbuilt("ValuesFilesError", stalled=True)
    objects[CHART]["status"]["artifact"]["revision"] = "1.2.3"
    assert isinstance(assess(objects, expectation()), Progressing)


def test_a_chart_that_was_built_long_before_is_not_taken_for_a_newer_one() -> None:
    """Ready is written before the new artifact when a build succeeds at last."""
    artifact = {"revision": "1.1.0", "lastUpdateTime": "2026-08-30T09:00:00Z"}
    lagging = {"status": {"observedSourceArtifactRevision": f"main@sha1:{NEWER}", "artifact": artifact}}
    objects = flux("before", release={"status": {"lastAttemptedRevision": "1.1.0"}}, chart=lagging)
    assert isinstance(assess(objects, expectation(relations=ON_TOP)), Progressing)


def test_a_foreign_chart_that_flux_attempts_supersedes_ours() -> None:
    objects = packaged(flux("progressing", release=BOTH, chart=AT_NEWER), "1.2.4")
    assert superseded(assess(objects, expectation(relations=IN_ITS_PLACE))).version == "1.2.4"


def test_an_older_release_of_our_chart_in_the_history_is_not_ours_superseded() -> None:
    """A return to an older chart: it was released, another one came on top, and only then we pushed it again."""
    back = expectation(
        chart_version="1.2.2",
        previous_chart_version="1.2.3",
        pushed_at=PUSHED_AT + timedelta(hours=1),
        content_since=PUSHED_AT - timedelta(days=3),
    )
    assert isinstance(assess(flux("success"), back), Progressing)
