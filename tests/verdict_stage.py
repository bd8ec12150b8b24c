"""One release on a stage, played by the sandbox's controllers of any kind and judged after every single write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conditions import until
from flux_world import PATH, chart
from played_cluster import BEGINNING, QUICK, expectation, shown

from dag_monitor.domain.expectation import Expectation, Object, Ref, Relation
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.verdict import Progressing, Succeeded, Verdict
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import APPLICATIONS, HELM_RELEASES, SECRETS
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.argocd import ArgoApp, ArgoCd, GitSource
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource
from dag_sandbox.reconcilers.helm import HelmAgent, HelmApp, HelmFlags
from dag_sandbox.reconcilers.helm_release import PENDING
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.workloads import WorkloadControllers

NAME = "podinfo"


@dataclass
class Watch:
    """A judge that sees every write of the cluster in order, and keeps what it said."""

    double: ClusterDouble
    expected: Expectation
    since: int
    said: list[Verdict] = field(default_factory=list)
    _objects: dict[Ref, Object] = field(default_factory=dict)
    _seen: int = BEGINNING

    async def final(self) -> Verdict:
        """The first verdict that is final, which is the one that counts."""
        return await self._first(lambda one: not isinstance(one, Progressing))

    async def says(self, words: str) -> Verdict:
        """The first verdict with these words."""
        return await self._first(lambda one: words in one.message)

    async def _first(self, fits: Callable[[Verdict], bool]) -> Verdict:
        try:
            await until(lambda: any(fits(one) for one in self._look()))
        except TimeoutError:
            told = dict.fromkeys(one.message for one in self.said)
            raise AssertionError(f"{self.expected.target.kind} only said: {list(told)}") from None
        return next(one for one in self.said if fits(one))

    def _look(self) -> list[Verdict]:
        assess = judge_for(self.expected.target.kind).assess
        for change in self.double.history.after(self._seen):
            self._seen = change.revision
            ref = Ref(change.object["kind"], *change.key)
            self._objects[ref] = shown(change.object)
            if change.type == "DELETED":
                del self._objects[ref]
            if change.revision > self.since:
                self.said.append(assess(dict(self._objects), self.expected))
        return self.said


@dataclass
class Stage:
    """A git host, a cluster, and the controllers of one kind, which may be stopped and begun anew."""

    kind: str
    host: GitHost
    double: ClusterDouble
    commits: list[str] = field(default_factory=list)
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
        self.commits.append(await self.host.commit("iac", chart(version, **sandbox)))
        return self.commits[-1]

    def watch(self, version: str = "1.2.3", previous: str = "1.2.2", **more: Any) -> Watch:
        """A judge of the deployment whose commit is the newest, unless `commit` is given."""
        commit, since = more.pop("commit", self.commits[-1]), more.pop("since", self.since)
        before = self.commits[: self.commits.index(commit)]
        relations = dict.fromkeys(before, Relation.ANCESTOR) | more.pop("relations", {})
        usual: dict[str, Any] = {"namespace": self.key[0], "commit": commit, "url": self.host.url("iac")}
        expected = expectation(self.kind, NAME, version, previous, **usual, relations=relations, **more)
        return Watch(self.double, expected, since)

    async def begin(self, outcome: Outcome | None = None) -> None:
        """The controllers, with an outcome for whatever comes."""
        await self.playing.enter_async_context(WorkloadControllers(self.double, pace=QUICK))
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
    return FluxReconciler(stage.double, [release], pace=QUICK)


def _argocd(stage: Stage) -> Any:
    app = ArgoApp(name=NAME, path=PATH, source=GitSource(url=stage.host.url("iac")))
    return ArgoCd(stage.double, [app], pace=QUICK)


def _helm(stage: Stage) -> Any:
    """A pipeline; without `--wait`, only the Deployment tells how it went."""
    flags = HelmFlags(wait=stage.kind == "helm")
    app = HelmApp(name=NAME, path=PATH, source=GitSource(url=stage.host.url("iac")), flags=flags)
    return HelmAgent(stage.double, [app], pace=QUICK)


_CONTROLLERS: dict[str, Callable[[Stage], Any]] = {"flux": _flux, "argocd": _argocd, "helm": _helm, "workload": _helm}


@asynccontextmanager
async def stage(kind: str, directory: Path) -> AsyncIterator[Stage]:
    """A stage where 1.2.2 runs."""
    async with GitHost(directory / "git") as host:
        here = Stage(kind, host, ClusterDouble())
        await here.push("1.2.2")
        try:
            await here.begin()
            assert isinstance(await here.watch("1.2.2", "").final(), Succeeded)
            await until(lambda: not here.under_way)
            yield here
        finally:
            await here.stop()
