"""When another chart took the release over before ours was seen healthy."""

from __future__ import annotations

from dag_monitor.domain.expectation import Later, Relation
from dag_monitor.domain.flux_case import Case
from dag_monitor.domain.flux_versions import same_version
from dag_monitor.domain.verdict import Superseded
from dag_monitor.domain.wording import short


def superseded(case: Case) -> Superseded | None:
    """Whether Flux is past our commit; while it still attempts our chart, that may yet become healthy."""
    if case.ours:
        return _same_version_came_later(case)
    return _newer_attempted(case) or _passed_over(case) or _replaced_in_history(case)


def _same_version_came_later(case: Case) -> Superseded | None:
    """Another chart carries our version, and Flux has seen its commit: which of both runs cannot be told apart."""
    if case.source is not Relation.REPLACED or case.release.stamping.revision:
        return None
    twin = next((one for one in case.expected.later if one.chart_version == case.expected.chart_version), None)
    taken = twin is not None or (case.disguised and case.at_rest)
    return _by(case, twin, case.expected.chart_version) if taken else None


def _newer_attempted(case: Case) -> Superseded | None:
    """Flux attempts the chart of a later deployment. The version alone is no proof if it is the one before ours."""
    attempted = case.release.attempted
    later = next((later for later in case.expected.later if _is(later, attempted, case)), None)
    if later is None or case.source in (Relation.ANCESTOR, Relation.OURS):
        return None
    if case.source is not Relation.REPLACED and _stood_before(case, attempted):
        return None
    return _by(case, later, attempted)


def _passed_over(case: Case) -> Superseded | None:
    """Flux fetches only the tip: the chart is built from a commit that replaced ours, and ours was never built."""
    chart = case.seen.chart
    if chart is None or case.source is not Relation.REPLACED or case.built:
        return None
    later = next((later for later in case.expected.later if later.commit.startswith(chart.commit)), None)
    return _by(case, later, later.chart_version if later else chart.version if case.at_rest else "")


def _replaced_in_history(case: Case) -> Superseded | None:
    """Our chart was released after it was pushed, and a release of another chart came on top, which is no rollback."""
    latest = case.release.latest
    if case.behind or case.is_ours(latest.chart_version) or latest.action == "rollback":
        return None
    ours = (one for one in case.release.history[1:] if case.is_ours(one.chart_version))
    if not any(case.follows_push(one.deployed_at) for one in ours):
        return None
    return _by(case, None, latest.chart_version)


def _is(later: Later, version: str, case: Case) -> bool:
    if later.chart_version == case.expected.chart_version:
        return False
    return same_version(version, later.chart_version, case.release.stamping)


def _stood_before(case: Case, version: str) -> bool:
    return same_version(version, case.expected.previous_chart_version, case.release.stamping)


def _by(case: Case, later: Later | None, version: str) -> Superseded:
    commit = later.commit if later else (case.seen.chart.commit if case.seen.chart else "")
    who = f"deployment {later.deployment_id}" if later else "a change from outside DAG"
    what = f"chart version {version}" if version else "another chart"
    where = f" (commit {short(commit)})" if commit else ""
    message = (
        f"{what[0].upper()}{what[1:]}{where} from {who} took over {case.release.ref} "
        f"before {case.expected.chart_version} was seen healthy"
    )
    return Superseded(later.deployment_id if later else "", version, commit, message, case.evidence)
