"""What a person who waits for Flux is told: the first thing in the chain that has not happened yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.flux_case import Case
from dag_monitor.domain.flux_failures import build_failure, failure_code
from dag_monitor.domain.flux_observation import Chart, Repository
from dag_monitor.domain.wording import sentences, short, told

Words = Callable[[Case], str]


def waiting(case: Case) -> str:
    """The sentence for this moment; each step of the chain speaks only while it is the one that holds us up."""
    return next(said for words in _CHAIN if (said := words(case)))


def _deleting(case: Case) -> str:
    return f"{case.release.ref} is being deleted" if case.release.deleting else ""


def _suspended(case: Case) -> str:
    if not case.release.suspended:
        return ""
    target = case.expected.target
    return (
        f"{case.release.ref} is suspended, Flux deploys nothing until somebody resumes it: "
        f"flux resume helmrelease {target.name} -n {target.namespace}"
    )


def _undecided(case: Case) -> str:
    chart = case.seen.chart
    if chart is None or not case.undecided:
        return ""
    return f"{chart.ref} is built from commit {short(chart.commit)}: {case.expected.doubt(chart.commit)}"


def _doubtful(case: Case) -> str:
    chart = case.seen.chart
    if chart is None or chart.built_at is None or not case.doubtful:
        return ""
    return (
        f"{chart.ref} was built at {chart.built_at:%Y-%m-%d %H:%M:%S %Z}, about when this chart was committed over "
        f"another one of the same version {chart.version}: which of both it holds cannot be told; deploy with a "
        "version that was not used before, or say chartVersion: unique for this environment in the registry"
    )


def _attempting(case: Case) -> str:
    """Our chart is what Flux works on, and its own words are the best."""
    if not case.ours:
        return ""
    conditions = case.release.conditions
    if case.stale(case.release.latest) and case.is_ours(case.release.latest.chart_version):
        return _older_content(case)
    if failure_code(case) and not conditions["Ready"].true and case.release.failures:
        return _trying_again(case)
    busy = told(conditions["Reconciling"].message or conditions["Ready"].message)
    if conditions["Ready"].true:
        return f"{busy} (waiting until the release history shows {case.expected.chart_version} deployed)"
    return busy or f"Flux attempts {case.expected.chart_name} {case.expected.chart_version}"


def _older_content(case: Case) -> str:
    deployed_at = case.release.latest.deployed_at
    when = f" at {deployed_at:%Y-%m-%d %H:%M:%S %Z}" if deployed_at else ""
    return (
        f"{case.release.ref} runs {case.release.latest.chart_version} as deployed{when}, before this chart was "
        "committed; Flux does not deploy again if only the content changed"
    )


def _trying_again(case: Case) -> str:
    conditions = case.release.conditions
    failed = next(
        (conditions[one] for one in ("Released", "TestSuccess") if conditions[one].false), conditions["Ready"]
    )
    now = told(conditions["Reconciling"].message)
    attempt = f"Attempt {case.release.failures} failed: {told(failed.message)}"
    return sentences(attempt, "" if now in ("", told(failed.message)) else f"Now: {now}")


def _elsewhere(case: Case) -> str:
    """Nothing we commit can arrive by this road."""
    repository = case.seen.repository
    if repository is None or not case.elsewhere:
        return ""
    return (
        f"{repository.ref} follows {told(repository.url)} {repository.reference}, "
        f"but this deployment was committed to {told(case.expected.url)} {case.expected.branch}: "
        "correct the GitRepository, or the environment's target in the registry"
    )


def _source(case: Case) -> str:
    """Our commit has not come to the cluster."""
    repository = case.seen.repository
    if repository is None or case.built or case.source.contains_ours:
        return ""
    return _repository_trouble(repository) or _fetching(case, repository)


def _repository_trouble(repository: Repository) -> str:
    if repository.suspended:
        return (
            f"{repository.ref} is suspended: flux resume source git {repository.ref.name} -n {repository.ref.namespace}"
        )
    return fetch_trouble(repository)


def fetch_trouble(repository: Repository) -> str:
    """Why Flux cannot fetch the repository; empty if nothing is known to be wrong."""
    conditions = (repository.conditions[one] for one in ("FetchFailed", "Stalled"))
    trouble = next((one for one in conditions if one.true), None)
    if trouble is None:
        return ""
    return f"{repository.ref} cannot be fetched ({trouble.reason}): {told(trouble.message)}"


def _fetching(case: Case, repository: Repository) -> str:
    ours = short(case.expected.commit)
    if not repository.commit:
        return f"{repository.ref} has fetched nothing yet; waiting for commit {ours}"
    relation = case.expected.relation(repository.commit)
    if relation.contains_ours:
        return ""
    if relation is Relation.UNKNOWN and case.seen.chart and case.seen.chart.commit == repository.commit:
        return ""
    return f"{repository.ref} is at commit {short(repository.commit)}; waiting for {ours} or a later one"


def _chart(case: Case) -> str:
    """Our commit is in the cluster, the chart not built from it."""
    chart = case.seen.chart
    if chart is None or case.built:
        return ""
    return _chart_trouble(case, chart) or _building(case, chart)


def _chart_trouble(case: Case, chart: Chart) -> str:
    failure = build_failure(case)
    if chart.suspended:
        return f"{chart.ref} is suspended: flux resume source chart {chart.ref.name} -n {chart.ref.namespace}"
    if failure.true:
        return f"{chart.ref} cannot be built: {told(failure.message)}"
    return ""


def _building(case: Case, chart: Chart) -> str:
    if case.source.contains_ours and chart.version:
        return (
            f"{chart.ref} holds version {chart.version} although commit {short(chart.commit)} contains ours; "
            f"waiting for {case.expected.chart_version}"
        )
    return f"{chart.ref} is being built; waiting for version {case.expected.chart_version}"


def _prerequisites(case: Case) -> str:
    """The chart is there, the HelmRelease does not take it yet."""
    conditions = case.release.conditions
    held_up = conditions["Stalled"] if conditions["Stalled"].true else conditions["Ready"]
    if conditions["Ready"].true or not held_up.present:
        return ""
    return f"{case.release.ref} waits ({held_up.reason}): {told(held_up.message)}"


def _next(case: Case) -> str:
    now = f" (now at {case.release.attempted})" if case.release.attempted else ""
    return f"Waiting for {case.release.ref} to take chart version {case.expected.chart_version}{now}"


_CHAIN: Final[tuple[Words, ...]] = (
    _deleting,
    _suspended,
    _elsewhere,
    _undecided,
    _doubtful,
    _attempting,
    _source,
    _chart,
    _prerequisites,
    _next,
)
