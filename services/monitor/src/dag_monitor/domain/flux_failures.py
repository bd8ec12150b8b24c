"""When our chart has failed in Flux, and the cause in words. The tables here are the only place that names reasons."""

from __future__ import annotations

from typing import Final

from dag_monitor.domain.conditions import Condition
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.flux_case import Case
from dag_monitor.domain.places import same_path
from dag_monitor.domain.verdict import Failed
from dag_monitor.domain.wording import rewritten, sentences, short, told

# fluxcd/helm-controller internal/reconcile/atomic_release.go and internal/controller/helmrelease_controller.go.
_STALLED: Final = {
    "RetriesExceeded": ("retries-exceeded", ""),
    "MissingRollbackTarget": ("missing-rollback-target", "There is no earlier good release to go back to."),
    "AccessDenied": ("access-denied", "Flux may not read what the HelmRelease refers to; a person must change that."),
    "InvalidCELExpression": ("invalid-cel-expression", "An expression in the HelmRelease is wrong."),
}
STALLED_BY_SPEC: Final = frozenset({"AccessDenied", "InvalidCELExpression"})
"""Reasons that stop a HelmRelease before it attempts anything."""

# fluxcd/helm-controller api/v2/condition_types.go. First match tells the cause.
_ATTEMPT_FAILED: Final = (
    ("Released", "InstallFailed", "install-failed"),
    ("Released", "UpgradeFailed", "upgrade-failed"),
    ("TestSuccess", "TestFailed", "test-failed"),
    ("Remediated", "RollbackFailed", "rollback-failed"),
    ("Remediated", "UninstallFailed", "uninstall-failed"),
)
# fluxcd/source-controller internal/helm/chart/errors.go; a dependency that cannot be fetched may come back.
_BUILD_MAY_RECOVER: Final = {"DependencyBuildError", "ChartPullError", "Unknown"}


def wrong_path(case: Case) -> Failed | None:
    """The HelmRelease takes its chart from another directory of our repository: it will never deploy ours."""
    path = case.release.chart_path
    if not case.follows_us or not path or same_path(path, case.expected.path):
        return None
    message = (
        f"{case.release.ref} deploys the chart in {path}, but this deployment was committed to {case.expected.path}: "
        "correct spec.chart.spec.chart of the HelmRelease, or the environment's path or target in the registry"
    )
    return Failed("wrong-path", message, case.evidence)


def removed(case: Case) -> Failed | None:
    """The branch was rewritten without our commit: Flux follows the branch, so nobody will ever see it."""
    chart, repository = case.seen.chart, case.seen.repository
    at = chart.commit if chart else repository.commit if repository else ""
    if case.ours or case.expected.relation(at) is not Relation.REMOVED:
        return None
    return Failed("removed", rewritten(case.expected.branch, case.expected.commit, at), case.evidence)


def same_version_again(case: Case) -> Failed | None:
    """Flux rebuilds a chart only if its name or version changed (fluxcd/source-controller, builder_local.go)."""
    if not case.ours or case.release.stamping.revision or case.rebuilt is not False:
        return None
    if not (case.expected.reused or case.ignored):
        return None
    message = (
        f"The chart changed but its version is {case.expected.chart_version} as before, and Flux ignores a chart whose "
        "version did not change: deploy with a version that was not used before, say chartVersion: unique for this "
        "environment in the registry, or set reconcileStrategy: Revision on the HelmRelease's chart"
    )
    return Failed("same-version", message, case.evidence)


def stalled(case: Case) -> Failed | None:
    """Flux has given up on our chart until somebody changes something."""
    condition = case.release.conditions["Stalled"]
    if not condition.true or case.predates(condition.since) or not _about_us(case, condition):
        return None
    reason, advice = _STALLED.get(condition.reason, ("stalled", ""))
    return Failed(reason, sentences(_cause(case), told(condition.message), advice, _rolled_back(case)), case.evidence)


def failed_often_enough(case: Case) -> Failed | None:
    """Our chart failed `fail_after` times; a render error never stalls, so only the count of attempts ends it."""
    allowed = case.expected.target.fail_after
    if not allowed or not case.ours or case.release.failures < allowed:
        return None
    ready = case.release.conditions["Ready"]
    if ready.true or ready.reason == "HealthCheckCanceled" or case.predates(ready.since):
        return None
    code = failure_code(case)
    if not code:
        return None
    return Failed(code, sentences(_cause(case), _attempts(case), _rolled_back(case)), case.evidence)


def chart_not_built(case: Case) -> Failed | None:
    """Flux cannot make a chart of what we committed."""
    chart = case.seen.chart
    if chart is None or case.built or case.ours or case.source not in (Relation.OURS, Relation.DESCENDANT):
        return None
    failure = build_failure(case)
    if not failure.true or not _final(case, failure):
        return None
    told_by = f"{chart.ref} cannot be built from commit {short(chart.commit)}: {told(failure.message)}"
    return Failed("chart-build-failed", sentences(told_by), case.evidence)


def build_failure(case: Case) -> Condition:
    """What keeps the HelmChart from being built, absent if nothing does."""
    found = (case.chart_conditions[type_] for type_ in ("BuildFailed", "FetchFailed", "Stalled"))
    return next((condition for condition in found if condition.true), Condition())


def failure_code(case: Case) -> str:
    """Why the last attempt failed, as a code; empty if the conditions show no failed attempt."""
    conditions = case.release.conditions
    for type_, reason, code in _ATTEMPT_FAILED:
        if conditions[type_].false and conditions[type_].reason == reason:
            return code
    return "remediated" if conditions["Remediated"].present else ""


def _about_us(case: Case, condition: Condition) -> bool:
    if case.ours:
        return True
    built_at = case.seen.chart.built_at if case.seen.chart else None
    spec = condition.reason in STALLED_BY_SPEC and case.built
    return spec and built_at is not None and condition.since is not None and condition.since >= built_at


def _final(case: Case, failure: Condition) -> bool:
    """While it reconciles, conditions of the last commit may stand beside the new one (helmchart_controller.go)."""
    if case.chart_conditions["Stalled"].true:
        return True
    ended = case.chart_conditions["Reconciling"].reason == "ProgressingWithRetry"
    return ended and failure.reason not in _BUILD_MAY_RECOVER


def _cause(case: Case) -> str:
    conditions = case.release.conditions
    failed = [conditions[type_] for type_, reason, _ in _ATTEMPT_FAILED if conditions[type_].reason == reason]
    telling = [condition for condition in failed if condition.false] or [conditions["Ready"]]
    return " ".join(dict.fromkeys(sentences(told(condition.message)) for condition in telling))


def _attempts(case: Case) -> str:
    if case.release.failures > 1:
        return f"It failed {case.release.failures} times"
    return ""


def _rolled_back(case: Case) -> str:
    remediated, latest = case.release.conditions["Remediated"], case.release.latest
    if not remediated.true:
        return ""
    if remediated.reason == "UninstallSucceeded":
        return "Flux uninstalled the release"
    return f"Flux rolled back to {latest.chart_version}" if latest.chart_version else "Flux rolled back"
