"""A deployment recorded in a real log and judged from a real git host, a real mirror and the sandbox's Flux."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pygit2
from examples import PUSHED, REQUESTED, fresh_id, new
from flux_world import DEADLINE, FLUX, PATH, World, chart, flux_world
from no_cluster import NoCluster

from dag_common.contracts.events import Event, IacTarget, PushStarted, RolloutTarget, ValidationStarted
from dag_common.domain.deployment import Deployment
from dag_common.iac.mirrors import Mirrors
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.domain.expectation import Ref
from dag_monitor.domain.sighting import Seen
from dag_monitor.domain.verdict import Progressing, Verdict
from dag_monitor.git import Commits
from dag_monitor.handlers.history import PushHistory
from dag_monitor.handlers.judging import Judging
from dag_monitor.handlers.kicking import Kicking
from dag_monitor.handlers.lineage import Lineage
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import GIT_REPOSITORIES

TARGET = RolloutTarget(kind="flux", cluster="c", namespace="default", name="podinfo", timeout_seconds=600)
AGAIN = 0.3


class Window:
    """All of Flux's objects, as they are now."""

    def __init__(self, double: ClusterDouble) -> None:
        self._double = double

    async def look(self) -> Seen:
        found = [(resource.kind, obj) for resource in FLUX for obj in self._double.list(resource)]
        return Seen({Ref(kind, obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for kind, obj in found})


class MonitorWorld:
    """One monitor's knowledge, and what it says of a deployment."""

    def __init__(self, flux: World, database: Database, directory: Path) -> None:
        self.flux = flux
        self.host = flux.host
        self.database = database
        self.url = flux.source.url
        self.mirrors = Mirrors(self.registry, directory / "mirrors")
        self.lineage = Lineage(Commits(self.mirrors), again=AGAIN, retry=0.05)
        self.history = PushHistory(database, self.lineage)

    def registry(self) -> Registry:
        entry = f"{{url: '{self.url}', credentials: {{https: {{username: dag, password: {{env: IAC_PASSWORD}}}}}}}}"
        return load([SourceFile("dag.yaml", f"iac: {{iac: {entry}}}\n".encode(), Path())])

    @asynccontextmanager
    async def flux_asleep(self) -> AsyncIterator[None]:
        """Flux looks at the branch only when this is over."""
        self._suspend(True)
        yield
        self._suspend(False)

    async def push(self, version: str, *, path: str = PATH, **sandbox: Any) -> Deployment:
        """A chart that DAG pushes, as the log and the branch show it afterwards."""
        base = self.host.repository("iac").tip()
        previous = self._version(base, path)
        files = {name.replace(PATH, path): content for name, content in chart(version, **sandbox).items()}
        commit = await self.host.commit("iac", files)
        tree = self._tree(commit, path)
        pushed = msgspec.structs.replace(
            PUSHED, commit=commit, path=path, tree=tree, chart_version=version, previous_chart_version=previous
        )
        return await self._record(PushStarted(attempt=1, base=base), pushed, path=path)

    async def verdict(
        self,
        deployment: Deployment,
        fits: Callable[[Verdict], bool] = lambda verdict: not isinstance(verdict, Progressing),
    ) -> Verdict:
        """Judge again and again until a verdict fits; as a rule the first that is final."""
        changed = asyncio.Event()
        windows, kicking = {TARGET.id: Window(self.flux.double)}, Kicking(NoCluster(), changed)
        judging = Judging(self.history, windows, kicking, NoCluster(), changed)
        async with asyncio.timeout(DEADLINE), kicking:
            while True:
                changed.clear()
                verdict = (await judging.verdicts(deployment))[TARGET.id]
                if fits(verdict):
                    return verdict
                await _news(changed)

    async def _record(self, *facts: Event, path: str) -> Deployment:
        deployment_id = fresh_id()
        iac = IacTarget(repository="iac", url=self.flux.source.url, branch="main", path=path)
        requested = msgspec.structs.replace(REQUESTED, targets=(TARGET,), iac=iac)
        events: tuple[Event, ...] = (requested, ValidationStarted(), *facts)
        async with self.database.transaction() as connection:
            await event_log.append(connection, [new(deployment_id, at, each) for at, each in enumerate(events, 1)])
        return await Streams(self.database, "monitor").load(deployment_id)

    def _suspend(self, suspend: bool) -> None:
        self.flux.double.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": {"suspend": suspend}})

    def _tree(self, commit: str, path: str) -> str:
        repository = pygit2.Repository(str(self.host.repository("iac").directory))
        return str(repository[commit].peel(pygit2.Tree)[path].id)

    def _version(self, commit: str, path: str) -> str:
        repository = pygit2.Repository(str(self.host.repository("iac").directory))
        try:
            text = repository[commit].peel(pygit2.Tree)[f"{path}/Chart.yaml"].peel(pygit2.Blob).data.decode()
        except KeyError:
            return ""
        return next(line.partition(": ")[2].strip("'") for line in text.splitlines() if line.startswith("version"))


async def _news(changed: asyncio.Event) -> None:
    """Until more is known, or a moment later: the cluster may have moved too."""
    try:
        async with asyncio.timeout(0.02):
            await changed.wait()
    except TimeoutError:
        return


@asynccontextmanager
async def monitor_world(database: Database, directory: Path) -> AsyncIterator[MonitorWorld]:
    """Flux runs the chart `BEFORE`, which DAG did not push; nothing is in the log yet."""
    async with flux_world(directory) as flux:
        world = MonitorWorld(flux, database, directory)
        try:
            yield world
        finally:
            await world.lineage.close()
            await world.mirrors.close()
