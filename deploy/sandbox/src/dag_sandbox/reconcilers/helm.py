"""A stand-in for whoever runs `helm upgrade --install` after each commit: a pipeline, or a loop in the cluster.

app = HelmApp(name="podinfo", path="apps/podinfo", source=GitSource(url="http://127.0.0.1:3001/iac.git"))
async with WorkloadControllers(double), HelmAgent(double, [app]):
...

A chart decides itself how its rollout goes (see `outcomes`); `HelmAgent.outcomes` overrules it.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from dag_common.errors import DagError, NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.controller import Controller
from dag_sandbox.reconcilers.git_follower import Follower, GitSource
from dag_sandbox.reconcilers.helm_action import Helm, HelmFlags
from dag_sandbox.reconcilers.helm_release import FAILED, PENDING, HelmRelease
from dag_sandbox.reconcilers.outcomes import RETRY_THEN_SUCCEED, Outcome, outcome_of
from dag_sandbox.reconcilers.pace import Pace

__all__ = ["HelmAgent", "HelmApp", "HelmFlags"]

_USUAL_INTERVAL: Final = 60.0
_STANDARD_PACE: Final = Pace()
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HelmApp:
    """A release that follows the chart in a directory of a branch."""

    name: str
    path: str
    source: GitSource
    namespace: str = "default"
    flags: HelmFlags = field(default_factory=HelmFlags)

    @property
    def key(self) -> tuple[str, str]:
        """The release's namespace and name."""
        return self.namespace, self.name


class HelmAgent(Controller):
    """Runs while entered; what is to be done stands in git and in the release secrets.

    An agent that is killed leaves a pending release behind, and its successor can do nothing about that: as with
    Helm itself, a person has to (`helm rollback`, or the secret deleted).
    """

    def __init__(self, double: ClusterDouble, apps: Iterable[HelmApp], *, pace: Pace = _STANDARD_PACE) -> None:
        self._double = double
        self._apps = tuple(apps)
        self._pace = pace
        self._tried: dict[tuple[str, str], Built] = {}
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        """How the releases named here, by namespace and name, go whatever their charts say."""
        self.suspended: set[tuple[str, str]] = set()
        """The releases whose pipeline does not run."""

    def helm(self, app: HelmApp) -> Helm:
        """The command, for somebody who acts by hand."""
        return Helm(self._double, app.key, self._pace, app.flags)

    async def _run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="dag-sandbox-helm-", ignore_cleanup_errors=True) as directory:
            async with asyncio.TaskGroup() as tasks:
                for number, app in enumerate(self._apps):
                    follower = Follower(app.source, Path(directory) / f"{number}.git")
                    tasks.create_task(self._follow(app, follower), name=f"helm {app.namespace}/{app.name}")

    async def _follow(self, app: HelmApp, follower: Follower) -> None:
        while True:
            try:
                await self._look(app, follower)
            except NotFound:
                pass  # no chart yet
            except DagError as exc:
                _log.info("helm_run_failed", namespace=app.namespace, name=app.name, error=str(exc))
            await asyncio.sleep(_USUAL_INTERVAL if self._pace.interval is None else self._pace.interval)

    async def _look(self, app: HelmApp, follower: Follower) -> None:
        if app.key in self.suspended:
            return
        chart = await follower.chart(await follower.tip(), app.path)
        helm, outcome = self.helm(app), self.outcomes.get(app.key) or outcome_of(chart.values)
        failed = failures(helm.history(), chart)
        if failed is None or failed > _retries(outcome) or self._was_tried(app, helm, chart):
            return
        self._tried[app.key] = chart
        await helm.upgrade_install(chart, outcome, Outcome() if failed else outcome)

    def _was_tried(self, app: HelmApp, helm: Helm, chart: Built) -> bool:
        """Whether the install failed and left nothing: a pipeline runs once for each change."""
        return self._tried.get(app.key) == chart and not helm.history()


def failures(history: list[HelmRelease], chart: Built) -> int | None:
    """How often the newest change to this chart failed so far; None if there is nothing more to do about it."""
    by_us = [one for one in history if not one.rollback_to]
    ours = list(itertools.takewhile(lambda one: one.chart == chart, by_us))
    here = bool(history) and history[0].chart == chart and history[0].status != FAILED
    if here or (history and history[0].status in PENDING) or (ours and ours[0].status != FAILED):
        return None
    return sum(one.status == FAILED for one in ours)


def _retries(outcome: Outcome) -> int:
    return 1 if outcome.outcome == RETRY_THEN_SUCCEED else 0
