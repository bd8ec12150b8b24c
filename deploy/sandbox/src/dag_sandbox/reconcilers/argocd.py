"""A stand-in for Argo CD: brings Applications on the cluster double to what a git branch holds.

app = ArgoApp(name="podinfo", path="apps/podinfo", source=GitSource(url="http://127.0.0.1:3001/iac.git"))
async with WorkloadControllers(double), ArgoCd(double, [app]):
...

A chart decides itself how its rollout goes (see `outcomes`); `ArgoCd.outcomes` overrules it.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dag_sandbox.cluster.double import AlreadyExists, ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import APPLICATIONS, DEPLOYMENTS, Object
from dag_sandbox.reconcilers.argocd_compare import Comparisons, Targets
from dag_sandbox.reconcilers.argocd_objects import REFRESH, Application, ArgoApp
from dag_sandbox.reconcilers.argocd_sync import Operations
from dag_sandbox.reconcilers.controller import Controller
from dag_sandbox.reconcilers.git_follower import Follower, GitSource
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key, WorkQueue

__all__ = ["ArgoApp", "ArgoCd", "GitSource", "Outcome", "Pace"]

_STANDARD_PACE: Final = Pace()


class ArgoCd(Controller):
    """Runs Argo CD's controller while entered; entering again is a controller restarted, also in mid-work.

    Every Application of the double is reconciled; those of `apps` are created if missing, and tell by their sources
    what a private repository asks for. Known limits: one source, Helm charts only, no hooks, no pruning.
    """

    def __init__(self, double: ClusterDouble, apps: Iterable[ArgoApp], *, pace: Pace = _STANDARD_PACE) -> None:
        self._double = double
        self._apps = tuple(apps)
        self._pace = pace
        self._followers: dict[tuple[str, str], Follower] = {}
        self.outcomes: dict[Key, Outcome] = {}
        """How the Applications named here, by namespace and name, go whatever their charts say."""

    def _prepare(self) -> None:
        for app in self._apps:
            with contextlib.suppress(AlreadyExists):
                self._double.create(APPLICATIONS, app.object())

    async def _run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="dag-sandbox-argocd-", ignore_cleanup_errors=True) as directory:
            async with asyncio.TaskGroup() as tasks:
                targets = Targets(lambda app: self._follower(app, Path(directory)), self.outcomes.get)
                comparisons = Comparisons(self._double, targets, self._pace)
                operations = WorkQueue(tasks, "operation", Operations(self._double, targets, self._pace).reconcile)
                await self._follow(WorkQueue(tasks, "refresh", comparisons.reconcile), operations, comparisons)

    async def _follow(self, refreshes: WorkQueue, operations: WorkQueue, comparisons: Comparisons) -> None:
        since = self._double.history.head
        for app in self._double.list(APPLICATIONS):
            refreshes.wake(_key(app))
            operations.wake(_key(app))
        async for change in self._double.subscribe(APPLICATIONS, DEPLOYMENTS, since=since):
            for key in self._concerned(change):
                refreshes.wake(key)
            if change.resource == APPLICATIONS and _operates(change):
                operations.wake(change.key)
            if change.resource == APPLICATIONS and _ended(change):
                comparisons.request(change.key)
                refreshes.wake(change.key)

    def _concerned(self, change: Change) -> Iterator[Key]:
        """Who has to compare again: an Application with another desire, or the one that brought a Deployment."""
        if change.resource == APPLICATIONS:
            if change.before is None or _desired(change.before) != _desired(change.object):
                yield change.key
            return
        for obj in self._double.list(APPLICATIONS):
            if Application(self._double, _key(obj)).release == change.key:
                yield _key(obj)

    def _follower(self, app: Application, directory: Path) -> Follower:
        place = app.source["repoURL"], app.source["targetRevision"]
        if place not in self._followers:
            known = (one.source for one in self._apps if (one.source.url, one.source.branch) == place)
            source = next(known, GitSource(url=place[0], branch=place[1]))
            self._followers[place] = Follower(source, directory / f"{len(self._followers)}.git")
        return self._followers[place]


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _desired(obj: Object) -> tuple[object, object]:
    return obj["spec"], (obj["metadata"].get("annotations") or {}).get(REFRESH)


def _phase(obj: Object) -> object:
    return ((obj.get("status") or {}).get("operationState") or {}).get("phase")


def _operates(change: Change) -> bool:
    """An operation is new, or is to be terminated."""
    before, after = change.before or {}, change.object
    fresh = "operation" in after and "operation" not in before
    return fresh or (_phase(after) == "Terminating" and _phase(before) != "Terminating")


def _ended(change: Change) -> bool:
    return "operation" in (change.before or {}) and "operation" not in change.object
