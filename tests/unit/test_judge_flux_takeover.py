"""Newer and repeated charts: whose is what the cluster runs, and what the judge says of it."""

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
    ON_TOP,
    failed,
    progressing,
    superseded,
    unbuilt,
)

from dag_monitor.domain.expectation import Later, Ref, Relation
from dag_monitor.domain.flux import assess, concerned
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


def test_a_release_on_top_of_ours_in_the_history_supersedes_it() -> None:
    objects = flux("success", release={"status": {"lastAttemptedRevision": "1.3.0"}})
    newest = {"version": 5, "status": "deployed", "action": "upgrade", "chartName": "podinfo", "chartVersion": "1.3.0"}
    objects[RELEASE]["status"]["history"].insert(0, newest)
    early = expectation(pushed_at=PUSHED_AT - timedelta(minutes=5), content_since=PUSHED_AT - timedelta(minutes=5))
    assert superseded(assess(objects, early)).version == "1.3.0"


def test_a_cluster_that_lags_behind_is_not_superseded() -> None:
    objects = without(flux("before", release={"status": {"lastAttemptedRevision": "1.1.0"}}), CHART, REPOSITORY)
    assert isinstance(assess(objects, expectation(later=(LATER,))), Progressing)


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


def test_an_older_release_of_our_chart_in_the_history_is_not_ours_superseded() -> None:
    """A return to an older chart: it was released, another one came on top, and only then we pushed it again."""
    back = expectation(
        chart_version="1.2.2",
        previous_chart_version="1.2.3",
        pushed_at=PUSHED_AT + timedelta(hours=1),
        content_since=PUSHED_AT - timedelta(days=3),
    )
    assert isinstance(assess(flux("success"), back), Progressing)
