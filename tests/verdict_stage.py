"""One release on a stage, played by the sandbox's controllers of any kind and judged after every single write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conditions import until
from deciding_writes import Write
from flux_world import PATH, chart
from played_cluster import BEGINNING, QUICK, expectation, shown

from dag_common.domain.deployment import with_sight
from dag_monitor.domain.expectation import Expectation, Object, Ref, Relation
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.verdict import Progressing, Succeeded, Verdict
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import APPLICATIONS, HELM_RELEASES, SECRETS
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.argocd import ArgoApp, ArgoCd, GitSource
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource
from dag_sandbox.reconcilers.helm import HelmAgent, HelmApp, HelmFlags
from dag_sandbox.reconcilers.helm_release import PENDING
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.workloads import WorkloadControllers

NAME = "podinfo"


@dataclass
class Watch:
    """A judge that sees every write of the cluster in order, and keeps what it said after each.

    What it saw a workload carry is told to it again, as the log would.
    """

    double: ClusterDouble
    expected: Expectation
    since: int
    said: list[tuple[Change, Verdict]] = field(default_factory=list)
    _objects: dict[Ref, Object] = field(default_factory=dict)
    _seen: int = BEGINNING

    async def final(self) -> Verdict:
        """The first verdict that is final, which is the one that counts."""
        await self._until(lambda one: not isinstance(one, Progressing))
        return self.outcome()[1]

    async def says(self, words: str) -> None:
        """Wait until a verdict has these words."""
        await self._until(lambda one: words in one.message)

    def outcome(self) -> tuple[Change, Verdict]:
        """The first final verdict and the write it came with; the last verdict if no write up to now decided."""
        self.look()
        return next((one for one in self.said if not isinstance(one[1], Progressing)), self.said[-1])

    def look(self) -> None:
        """Judge what was written since the last look."""
        assess = judge_for(self.expected.target.kind).assess
        for change in self.double.history.after(self._seen):
            self._seen = change.revision
            ref = Ref(change.object["kind"], *change.key)
            self._objects[ref] = shown(change.object)
            if change.type == "DELETED":
                del self._objects[ref]
            if change.revision > self.since:
                self._keep(change, assess(dict(self._objects), self.expected))

    def _keep(self, change: Change, verdict: Verdict) -> None:
        self.said.append((change, verdict))
        if isinstance(verdict, Progressing) and verdict.carried is not None:
            carried = with_sight(self.expected.carried, verdict.carried)
            self.expected = replace(self.expected, carried=carried)

    async def _until(self, fits: Callable[[Verdict], bool]) -> None:
        def met() -> bool:
            self.look()
            return any(fits(verdict) for _, verdict in self.said)

        try:
            await until(met)
        except TimeoutError:
            told = dict.fromkeys(verdict.message for _, verdict in self.said)
            raise AssertionError(f"{self.expected.target.kind} only said: {list(told)}") from None


@dataclass
class Stage:
    """A git host, a cluster, and the controllers of one kind, which may be stopped and begun anew.

    `commits` are those of the chart's versions, in the order of their pushes.
    """

    kind: str
    host: GitHost
    double: ClusterDouble
    commits: dict[str, str] = field(default_factory=dict)
    flags: HelmFlags = field(default_factory=HelmFlags)
    pace: Pace = QUICK
    since: int = BEGINNING
    playing: AsyncExitStack = field(default_factory=AsyncExitStack)
    agent: HelmAgent | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Where the target is."""
        return ("argocd" if self.kind == "argocd" else "default"), NAME

    @property
    def under_way(self) -> bool:
        """Whether Helm is at work; killed then it leaves what no successor goes on with."""
        secrets = self.double.list(SECRETS)
        return any(secret["metadata"]["labels"]["status"] in PENDING for secret in secrets)

    async def push(self, version: str, **sandbox: Any) -> str:
        """A commit of the chart, by whomever."""
        self.since = self.double.history.head
        self.commits[version] = await self.host.commit("iac", chart(version, **sandbox))
        return self.commits[version]

    def watch(self, version: str = "1.2.3", previous: str = "1.2.2", **more: Any) -> Watch:
        """A judge of the deployment of a version, since the newest push unless `since` is given."""
        commit, since, commits = self.commits[version], more.pop("since", self.since), list(self.commits.values())
        before = commits[: commits.index(commit)]
        relations = dict.fromkeys(before, Relation.ANCESTOR) | more.pop("relations", {})
        usual: dict[str, Any] = {"namespace": self.key[0], "commit": commit, "url": self.host.url("iac")}
        expected = expectation(self.kind, NAME, version, previous, **usual, relations=relations, **more)
        return Watch(self.double, expected, since)

    async def sees(self, write: Write) -> None:
        """Wait for a write since the newest push."""
        await until(lambda: any(write(one.object, self.commits) for one in self.double.history.after(self.since)))

    async def begin(self, outcome: Outcome | None = None) -> None:
        """The controllers, with an outcome for whatever comes."""
        await self.playing.enter_async_context(WorkloadControllers(self.double, pace=self.pace))
        controller = _CONTROLLERS[self.kind](self)
        if outcome is not None:
            controller.outcomes[self.key] = outcome
        self.agent = await self.playing.enter_async_context(controller)

    async def stop(self) -> None:
        """The controllers are gone, in the middle of whatever they do."""
        await self.playing.aclose()

    def suspend(self, *, whether: bool) -> None:
        """Nothing is deployed any more, or again, by the means of the kind."""
        if self.kind in ("helm", "workload"):
            assert self.agent is not None
            (self.agent.suspended.add if whether else self.agent.suspended.discard)(self.key)
            return
        resource, on, off = _SUSPENSION[self.kind]
        self.double.merge_patch(resource, *self.key, {"spec": on if whether else off})


_SUSPENSION: dict[str, Any] = {
    "flux": (HELM_RELEASES, {"suspend": True}, {"suspend": None}),
    "argocd": (APPLICATIONS, {"syncPolicy": {"automated": None}}, {"syncPolicy": {"automated": {}}}),
}


def _flux(stage: Stage) -> Any:
    release = FluxRelease(name=NAME, path=PATH, source=FluxSource(url=stage.host.url("iac")))
    return FluxReconciler(stage.double, [release], pace=stage.pace)


def _argocd(stage: Stage) -> Any:
    app = ArgoApp(name=NAME, path=PATH, source=GitSource(url=stage.host.url("iac")))
    return ArgoCd(stage.double, [app], pace=stage.pace)


def _helm(stage: Stage) -> Any:
    """A pipeline."""
    app = HelmApp(name=NAME, path=PATH, source=GitSource(url=stage.host.url("iac")), flags=stage.flags)
    return HelmAgent(stage.double, [app], pace=stage.pace)


_CONTROLLERS: dict[str, Callable[[Stage], Any]] = {"flux": _flux, "argocd": _argocd, "helm": _helm, "workload": _helm}


@asynccontextmanager
async def stage(kind: str, directory: Path) -> AsyncIterator[Stage]:
    """A stage where 1.2.2 runs; to the kind `workload`, only the Deployment tells how it went."""
    async with GitHost(directory / "git") as host:
        here = Stage(kind, host, ClusterDouble(), flags=HelmFlags(wait=kind == "helm"))
        await here.push("1.2.2")
        try:
            await here.begin()
            assert isinstance(await here.watch("1.2.2", "").final(), Succeeded)
            await until(lambda: not here.under_way)
            yield here
        finally:
            await here.stop()
