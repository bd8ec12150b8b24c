"""Every state a HelmRelease can be in while we wait for our chart, and what the judge says of it."""

from __future__ import annotations

from typing import Any

import pytest
from flux_objects import (
    CHART,
    EARLIER,
    RELEASE,
    REPOSITORY,
    condition,
    expectation,
    flux,
    without,
)
from flux_verdicts import (
    AT_EARLIER,
    BEFORE_OURS,
    FETCHED_EARLIER,
    fail_after,
    failed,
    progressing,
    unbuilt,
)

from dag_monitor.domain.expectation import Ref
from dag_monitor.domain.flux import assess
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded


def test_our_chart_deployed_settled_and_ready_is_a_success() -> None:
    verdict = assess(flux("success"), expectation())
    assert isinstance(verdict, Succeeded)
    assert verdict.message.startswith("podinfo 1.2.3 runs: Helm upgrade succeeded for release default/podinfo.v4")
    assert verdict.evidence.object == "HelmRelease default/podinfo"
    assert (verdict.evidence.revision, verdict.evidence.reason) == ("1.2.3", "UpgradeSucceeded")


def test_success_needs_neither_the_chart_nor_the_repository_to_be_visible() -> None:
    assert isinstance(assess(without(flux("success"), CHART, REPOSITORY), expectation()), Succeeded)


def test_ready_since_before_our_push_is_no_success() -> None:
    assert "now at 1.2.2" in progressing(assess(flux("before"), expectation()))


def test_a_helm_upgrade_in_progress_is_told_in_the_words_of_flux() -> None:
    assert progressing(assess(flux("progressing"), expectation())) == "Running 'upgrade' action with timeout of 5m0s"


def test_a_rollback_is_a_failure_although_something_is_deployed() -> None:
    verdict = failed(assess(flux("rolled-back"), expectation()))
    assert verdict.reason == "upgrade-failed"
    assert "resource Deployment/default/podinfo not ready. status: InProgress" in verdict.message
    assert verdict.message.endswith("Flux rolled back to 1.2.2.")
    assert "\n" not in verdict.message


def test_a_rollback_that_claims_to_be_ready_is_still_no_success() -> None:
    healthy = condition(condition(flux("rolled-back"), "Ready", status="True"), "Reconciling", status=None)
    assert isinstance(assess(healthy, expectation()), Progressing)


def test_with_more_attempts_allowed_the_first_failure_only_delays() -> None:
    message = progressing(assess(flux("rolled-back"), fail_after(2)))
    assert message.startswith("Attempt 1 failed: Helm upgrade failed for release default/podinfo")
    assert "Now: Helm rollback to previous release" in message


def test_with_fail_after_zero_only_the_timeout_or_a_stall_ends_it() -> None:
    assert isinstance(assess(flux("rolled-back"), fail_after(0)), Progressing)
    assert failed(assess(flux("stalled"), fail_after(0))).reason == "retries-exceeded"


def test_exhausted_retries_fail_with_the_cause_first() -> None:
    verdict = failed(assess(flux("stalled"), fail_after(5)))
    assert verdict.reason == "retries-exceeded"
    assert verdict.message == (
        "Helm upgrade failed for release default/podinfo with chart podinfo@1.2.3: context deadline exceeded. "
        "Failed to upgrade after 2 attempt(s). Flux rolled back to 1.2.2."
    )


def test_without_retries_the_first_failure_stalls() -> None:
    verdict = failed(assess(flux("stalled-at-once"), fail_after(5)))
    assert verdict.reason == "retries-exceeded"
    assert "rolled back" not in verdict.message


@pytest.mark.parametrize(
    ("reason", "code", "advice"),
    [
        ("MissingRollbackTarget", "missing-rollback-target", "no earlier good release"),
        ("AccessDenied", "access-denied", "a person must change that"),
        ("InvalidCELExpression", "invalid-cel-expression", "expression in the HelmRelease"),
        ("SomethingOfTomorrow", "stalled", ""),
    ],
)
def test_every_stall_on_our_chart_is_final(reason: str, code: str, advice: str) -> None:
    stalled = condition(flux("stalled-at-once"), "Stalled", reason=reason, message="told by Flux")
    verdict = failed(assess(stalled, fail_after(0)))
    assert verdict.reason == code
    assert "told by Flux" in verdict.message
    assert advice in verdict.message


def test_a_stall_of_an_earlier_chart_is_not_ours() -> None:
    earlier = flux("stalled", release={"status": {"lastAttemptedRevision": "1.2.1"}})
    assert "waits (RetriesExceeded)" in progressing(assess(earlier, expectation()))


def test_access_denied_after_our_chart_was_built_is_about_ours() -> None:
    denied = condition(flux("before"), "Stalled", status="True", reason="AccessDenied", message="no cross-namespace")
    denied = condition(denied, "Stalled", lastTransitionTime="2026-09-01T10:00:07Z")
    assert failed(assess(denied, expectation())).reason == "access-denied"
    old = condition(denied, "Stalled", lastTransitionTime="2026-09-01T09:59:59Z")
    assert isinstance(assess(old, expectation()), Progressing)


def test_a_render_error_fails_although_it_never_stalls() -> None:
    verdict = failed(assess(flux("render-error"), expectation()))
    assert verdict.reason == "upgrade-failed"
    assert "nil pointer evaluating interface {}.tag" in verdict.message


def test_a_failure_of_the_version_before_ours_is_not_ours() -> None:
    earlier = flux("render-error", release={"status": {"lastAttemptedRevision": "1.2.2"}})
    assert isinstance(assess(earlier, expectation()), Progressing)


def test_a_failed_install_is_told_with_its_uninstall() -> None:
    objects = condition(flux("rolled-back"), "Released", reason="InstallFailed", message="Helm install failed: boom")
    objects = condition(objects, "Remediated", reason="UninstallSucceeded")
    verdict = failed(assess(objects, expectation()))
    assert verdict.reason == "install-failed"
    assert "Flux uninstalled the release" in verdict.message


def test_a_failed_helm_test_is_a_failure() -> None:
    objects = flux("success", release={"spec": {"test": {"enable": True}}, "status": {"failures": 1}})
    for type_ in ("Ready", "TestSuccess"):
        objects = condition(objects, type_, status="False", reason="TestFailed", message="Helm test failed: 1 of 2")
    assert failed(assess(objects, expectation())).reason == "test-failed"


def test_a_helm_test_still_to_run_is_waited_for() -> None:
    objects = flux("success", release={"spec": {"test": {"enable": True}}})
    assert isinstance(assess(condition(objects, "TestSuccess", status="Unknown"), expectation()), Progressing)
    assert isinstance(assess(condition(objects, "TestSuccess", status="True"), expectation()), Succeeded)


def test_a_failed_rollback_names_the_upgrade_that_caused_it() -> None:
    objects = condition(flux("rolled-back"), "Remediated", status="False", reason="RollbackFailed", message="no space")
    objects = condition(objects, "Ready", reason="RollbackFailed")
    verdict = failed(assess(objects, expectation()))
    assert verdict.reason == "upgrade-failed"
    assert "not ready" in verdict.message
    assert "no space" in verdict.message


def test_retry_on_failure_fails_by_the_policy() -> None:
    objects = condition(flux("stalled-at-once"), "Stalled", status=None)
    objects = condition(
        objects, "Reconciling", status="True", reason="ProgressingWithRetry", message="retrying after 5m0s"
    )
    assert failed(assess(objects, expectation())).reason == "upgrade-failed"
    assert "Now: retrying after 5m0s" in progressing(assess(objects, fail_after(2)))


def test_a_second_attempt_under_way_does_not_hide_the_first_failure() -> None:
    retrying = condition(flux("rolled-back"), "Remediated", status=None)
    retrying = condition(retrying, "Ready", status="Unknown", reason="Progressing")
    assert failed(assess(retrying, expectation())).reason == "upgrade-failed"


def test_cancelled_health_checks_are_no_failure() -> None:
    objects = condition(flux("stalled-at-once"), "Stalled", status=None)
    assert isinstance(assess(condition(objects, "Ready", reason="HealthCheckCanceled"), expectation()), Progressing)


def test_a_suspended_release_waits_and_says_how_to_resume_it() -> None:
    message = progressing(assess(flux("suspended"), expectation()))
    assert "is suspended" in message
    assert "flux resume helmrelease podinfo -n default" in message


def test_a_suspended_release_proves_nothing_even_if_it_shows_our_chart() -> None:
    objects = flux("success", release={"spec": {"suspend": True}})
    assert isinstance(assess(objects, expectation()), Progressing)


def test_our_failure_stays_a_failure_when_somebody_suspends() -> None:
    assert isinstance(assess(flux("stalled", release={"spec": {"suspend": True}}), expectation()), Failed)


def test_an_unmet_dependency_is_waited_for_and_named() -> None:
    assert "dependency 'default/redis' is not ready" in progressing(assess(flux("dependency"), expectation()))


@pytest.mark.parametrize("reason", ["SourceNotReady", "ArtifactFailed", "ValuesError", "StateError", "RESTClientError"])
def test_trouble_before_the_attempt_is_waited_for_and_told(reason: str) -> None:
    objects = condition(flux("dependency"), "Ready", reason=reason, message="something is missing")
    message = progressing(assess(objects, expectation()))
    assert reason in message
    assert "something is missing" in message


def test_a_release_that_does_not_exist_is_waited_for() -> None:
    assert progressing(assess({}, expectation())) == "HelmRelease default/podinfo does not exist yet"


def test_a_release_being_deleted_proves_nothing() -> None:
    objects = flux("success", release={"metadata": {"deletionTimestamp": "2026-09-01T10:01:00Z"}})
    assert "being deleted" in progressing(assess(objects, expectation()))


def test_a_fresh_release_nobody_has_looked_at_is_waited_for() -> None:
    fresh = {**flux("before"), RELEASE: {**flux("before")[RELEASE], "status": {"observedGeneration": -1}}}
    assert "to take chart version 1.2.3" in progressing(assess(fresh, expectation()))


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"generation": 5}},
        {"status": {"history": []}},
        {"status": {"history": None}},
        {"status": {"lastAttemptedRevision": "1.2.2"}},
        {"status": {"lastAttemptedRevision": None}},
        {"status": {"observedGeneration": None}},
    ],
)
def test_success_is_a_conjunction(change: Any) -> None:
    assert isinstance(assess(flux("success", release=change), expectation()), Progressing)


@pytest.mark.parametrize("type_", ["Reconciling", "Stalled"])
def test_a_release_that_flux_has_not_finished_with_is_no_success(type_: str) -> None:
    """A stall from before our push says nothing against our chart, and nothing for it either."""
    before = {"reason": "Progressing", "lastTransitionTime": "2026-08-30T09:00:00Z"}
    objects = condition(flux("success"), type_, status="True", **before)
    assert isinstance(assess(objects, expectation()), Progressing)
    assert isinstance(assess(condition(objects, type_, status=None), expectation()), Succeeded)


def test_conditions_written_before_the_history_are_no_success() -> None:
    objects = flux("progressing")
    for type_ in ("Ready", "Released"):
        objects = condition(objects, type_, status="True", reason="UpgradeSucceeded", message="Helm upgrade succeeded")
    objects = condition(objects, "Reconciling", status=None)
    assert "waiting until the release history shows 1.2.3" in progressing(assess(objects, expectation()))


def test_another_chart_with_our_version_is_not_ours() -> None:
    objects = flux("success")
    objects[RELEASE]["status"]["history"][0]["chartName"] = "other"
    assert isinstance(assess(objects, expectation()), Progressing)


def test_a_release_that_takes_another_directory_fails_and_says_so() -> None:
    verdict = failed(assess(flux("success"), expectation(path="apps/podinfo")))
    assert verdict.reason == "wrong-path"
    assert "./charts/podinfo" in verdict.message
    assert "apps/podinfo" in verdict.message


def test_another_directory_of_another_repository_is_left_to_the_evidence() -> None:
    objects = flux("progressing", repository={"spec": {"url": "https://git.example.com/umbrella"}})
    assert isinstance(assess(objects, expectation(path="podinfo")), Progressing)


@pytest.mark.parametrize(
    "url", ["ssh://git@git.example.com/iac", "git@git.example.com:iac.git", "https://GIT.example.com/iac/"]
)
def test_one_repository_may_be_written_in_many_ways(url: str) -> None:
    objects = without(flux("success", repository={"spec": {"url": url}}), CHART)
    assert isinstance(assess(objects, expectation()), Succeeded)


@pytest.mark.parametrize(
    ("reference", "followed"),
    [
        ({"branch": "staging"}, "staging"),
        ({"branch": "main", "name": "refs/heads/staging"}, "staging"),
        ({"branch": None}, "master"),
        ({"branch": "main", "tag": "v1"}, "tag v1"),
    ],
)
def test_a_repository_that_follows_another_branch_or_none_proves_nothing_and_is_told(
    reference: Any, followed: str
) -> None:
    objects = without(flux("success", repository={"spec": {"ref": reference}}), CHART)
    message = progressing(assess(objects, expectation()))
    assert f"follows https://git.example.com/iac.git {followed}, but" in message
    assert "committed to https://git.example.com/iac.git main" in message


def test_a_mirror_is_believed_if_it_holds_our_commit() -> None:
    objects = flux("success", repository={"spec": {"url": "https://mirror.internal/copy.git"}})
    assert isinstance(assess(objects, expectation()), Succeeded)


def test_a_fetch_that_fails_is_explained_without_its_credentials() -> None:
    objects = flux("before", chart=AT_EARLIER, repository=FETCHED_EARLIER)
    text = "failed to checkout: https://bot:hunter2@git.example.com/iac.git: authentication required"
    objects = condition(objects, "FetchFailed", REPOSITORY, status="True", reason="GitOperationFailed", message=text)
    message = progressing(assess(objects, expectation(relations=BEFORE_OURS)))
    assert "GitRepository flux-system/iac cannot be fetched (GitOperationFailed)" in message
    assert "https://git.example.com/iac.git: authentication required" in message
    assert "hunter2" not in message


def test_a_commit_not_fetched_yet_is_told() -> None:
    objects = flux("before", chart=AT_EARLIER, repository=FETCHED_EARLIER)
    message = progressing(assess(objects, expectation(relations=BEFORE_OURS)))
    assert message == "GitRepository flux-system/iac is at commit aaaaaaa; waiting for 4d1c3a9 or a later one"


@pytest.mark.parametrize(("ref", "what"), [(REPOSITORY, "source git iac"), (CHART, "source chart default-podinfo")])
def test_a_suspended_source_is_told(ref: Ref, what: str) -> None:
    objects = flux("before", chart=AT_EARLIER, repository=FETCHED_EARLIER if ref == REPOSITORY else None)
    objects[ref]["spec"]["suspend"] = True
    assert f"flux resume {what} -n flux-system" in progressing(assess(objects, expectation(relations=BEFORE_OURS)))


@pytest.mark.parametrize(("reason", "stalled"), [("ValuesFilesError", True), ("ChartPackageError", False)])
def test_a_chart_that_cannot_be_built_from_our_commit_fails(reason: str, stalled: bool) -> None:
    verdict = failed(assess(unbuilt(reason, stalled=stalled), expectation()))
    assert verdict.reason == "chart-build-failed"
    assert "HelmChart flux-system/default-podinfo cannot be built from commit 4d1c3a9" in verdict.message
    assert "did not find expected key" in verdict.message


def test_a_dependency_that_cannot_be_fetched_may_come_back() -> None:
    message = progressing(assess(unbuilt("DependencyBuildError", stalled=False), expectation()))
    assert "cannot be built" in message


def test_a_build_failure_while_the_next_build_runs_is_no_verdict() -> None:
    objects = condition(unbuilt("ChartPackageError", stalled=False), "Reconciling", CHART, reason="Progressing")
    assert isinstance(assess(objects, expectation()), Progressing)


def test_a_build_failure_of_an_earlier_commit_is_not_ours() -> None:
    objects = unbuilt("ValuesFilesError", stalled=True)
    objects[CHART]["status"]["observedSourceArtifactRevision"] = f"main@sha1:{EARLIER}"
    assert isinstance(assess(objects, expectation(relations=BEFORE_OURS)), Progressing)
