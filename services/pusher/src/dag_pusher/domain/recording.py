"""The facts that follow from what became of a deployment's chart."""

from __future__ import annotations

from dag_common.charts.values import read_yaml
from dag_common.contracts.events import (
    ChartPushed,
    DeploymentFailed,
    DeploymentRequested,
    DeploymentSucceeded,
    Event,
)
from dag_common.errors import Invalid
from dag_common.iac.access import commit_url
from dag_pusher.domain.batch import Landed
from dag_pusher.domain.message import one_line
from dag_pusher.domain.plan import Problem


def pushed(requested: DeploymentRequested, landed: Landed) -> tuple[Event, ...]:
    """The chart is in git; with nothing to watch, that is the end."""
    chart_version = version_in(landed.chart)
    fact = ChartPushed(
        commit=landed.commit,
        commit_url=commit_url(requested.iac.url, landed.commit),
        repository=requested.iac.repository,
        branch=requested.iac.branch,
        path=requested.iac.path,
        tree=landed.tree,
        chart_version=chart_version,
        previous_chart_version=version_in(landed.previous_chart),
        unchanged=landed.unchanged,
        previous_app_version=_stated(landed.previous_chart, "appVersion"),
    )
    if requested.targets:
        return (fact,)
    message = f"Chart {requested.chart.name} {chart_version} is committed; this environment has nothing to watch"
    return fact, DeploymentSucceeded(message=message)


def failed(problem: Problem) -> tuple[Event, ...]:
    """The chart cannot be committed, for good."""
    return (DeploymentFailed(stage="pushing", reason=problem.reason, message=problem.message),)


def rejected(words: str) -> Problem:
    """The git host refused the commit, for good, in these words."""
    return Problem("rejected", f"The git host rejected the push: {words}")


def version_in(chart_yaml: bytes | None) -> str:
    """The version a Chart.yaml states; empty if there was none to read, which is nobody's fault here."""
    return _stated(chart_yaml, "version")


def _stated(chart_yaml: bytes | None, key: str) -> str:
    """People may have written it: what the log's database cannot hold (control characters) is left out."""
    try:
        stated = read_yaml(chart_yaml or b"").get(key)
    except Invalid:
        return ""
    return "" if stated is None else one_line(str(stated))
