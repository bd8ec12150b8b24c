"""A stand-in for Flux: follows git branches and brings HelmReleases on the cluster double to what they hold.

source = FluxSource(url="http://127.0.0.1:3001/iac.git")
async with FluxReconciler(double, [FluxRelease(name="podinfo", path="apps/podinfo", source=source)]):
...

A chart decides itself how its rollout goes (`sandbox:` in its values.yaml, see `outcomes`); `FluxReconciler.outcomes`
overrules it.
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
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES, Object, Resource
from dag_sandbox.reconcilers.controller import Controller
from dag_sandbox.reconcilers.flux_chart import HelmCharts, source_of
from dag_sandbox.reconcilers.flux_objects import FluxRelease, FluxSource
from dag_sandbox.reconcilers.flux_release import HelmReleases, chart_key_of
from dag_sandbox.reconcilers.flux_source import GitRepositories
from dag_sandbox.reconcilers.flux_writer import REQUESTED_AT
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key, WorkQueue

__all__ = ["FluxReconciler", "FluxRelease", "FluxSource", "Outcome", "Pace"]

_FOLLOWED: Final = (GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES)
_STANDARD_PACE: Final = Pace()


class FluxReconciler(Controller):
    """Runs Flux's controllers while entered; entering again is a controller restarted, also in mid-work.

    Every GitRepository and HelmRelease of the double is reconciled; those of `releases` are created if missing.
    Known limits: charts come from GitRepositories only, values are not merged, no artifact is served.
    """

    def __init__(
        self,
        double: ClusterDouble,
        releases: Iterable[FluxRelease] = (),
        *,
        pace: Pace = _STANDARD_PACE,
        workloads: bool = False,
    ) -> None:
        """With `workloads` each release brings a Deployment and waits for it: run `WorkloadControllers` beside."""
        self._workloads = workloads
        self._double = double
        self._releases = tuple(releases)
        self._pace = pace
        self.outcomes: dict[Key, Outcome] = {}
        """How the releases named here, by namespace and name, go whatever their charts say."""

    def _prepare(self) -> None:
        wanted = [pair for release in self._releases for pair in (*release.source.objects(), *release.objects())]
        for resource, obj in wanted:
            with contextlib.suppress(AlreadyExists):
                self._double.create(resource, obj)

    async def _run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="dag-sandbox-flux-", ignore_cleanup_errors=True) as directory:
            async with asyncio.TaskGroup() as tasks:
                await self._follow(self._queues(tasks, Path(directory)))

    def _queues(self, tasks: asyncio.TaskGroup, directory: Path) -> dict[Resource, WorkQueue]:
        def woken(key: Key) -> asyncio.Event:
            return queues[HELM_RELEASES].woken(key)

        sources = GitRepositories(self._double, directory, self._pace)
        charts = HelmCharts(self._double, sources)
        releases = HelmReleases(self._double, charts, self._pace, woken)
        releases.outcomes, releases.with_workloads = self.outcomes, self._workloads
        queues = {
            GIT_REPOSITORIES: WorkQueue(tasks, "GitRepository", sources.reconcile),
            HELM_CHARTS: WorkQueue(tasks, "HelmChart", charts.reconcile),
            HELM_RELEASES: WorkQueue(tasks, "HelmRelease", releases.reconcile),
        }
        return queues

    async def _follow(self, queues: dict[Resource, WorkQueue]) -> None:
        since = self._double.history.head
        for resource in _FOLLOWED:
            for obj in self._double.list(resource):
                queues[resource].wake(_key(obj))
        async for change in self._double.subscribe(*_FOLLOWED, since=since):
            for resource, key in self._concerned(change):
                queues[resource].wake(key)

    def _concerned(self, change: Change) -> Iterator[tuple[Resource, Key]]:
        """Who has to look again, as the controllers' predicates say: own desire or request, or a source's artifact."""
        before, after = change.before, change.object
        if before is None or _desired(before) != _desired(after):
            yield change.resource, change.key
        if _artifact(before) == _artifact(after) or change.resource == HELM_RELEASES:
            return
        if change.resource == GIT_REPOSITORIES:
            charts = self._double.list(HELM_CHARTS)
            yield from ((HELM_CHARTS, _key(chart)) for chart in charts if source_of(chart) == change.key)
        else:
            releases = self._double.list(HELM_RELEASES)
            yield from ((HELM_RELEASES, _key(one)) for one in releases if chart_key_of(one) == change.key)


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _desired(obj: Object) -> tuple[int, str | None, str | None]:
    metadata = obj["metadata"]
    requested = (metadata.get("annotations") or {}).get(REQUESTED_AT)
    return metadata["generation"], requested, metadata.get("deletionTimestamp")


def _artifact(obj: Object | None) -> str:
    artifact = ((obj or {}).get("status") or {}).get("artifact") or {}
    return f"{artifact.get('revision', '')} {artifact.get('digest', '')}"
