"""A git host, a cluster double and the sandbox's Flux, judged after every write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from dag_common.contracts.events import RolloutTarget
from dag_common.runtime import clock
from dag_monitor.domain.expectation import Expectation, Later, Object, Ref, Relation
from dag_monitor.domain.flux import assess
from dag_monitor.domain.verdict import Progressing, Verdict
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES, Resource
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource, Pace

PATH = "apps/podinfo"
BEFORE = "1.2.2"
QUICK = Pace(interval=0.1, action=0.05, retry=0.05, dependency=0.05)
FLUX = (GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES)
DEADLINE = 30
BEGINNING = ClusterDouble().history.head


def chart(version: str, **sandbox: Any) -> dict[str, bytes | None]:
    described = {"apiVersion": "v2", "name": "podinfo", "version": version, "appVersion": version}
    values = {"replicas": 2} | ({"sandbox": sandbox} if sandbox else {})
    return {
        f"{PATH}/Chart.yaml": yaml.safe_dump(described).encode(),
        f"{PATH}/values.yaml": yaml.safe_dump(values).encode(),
    }


def an_hour_later(expected: Expectation) -> Expectation:
    """As if the version had been used long ago: within a minute, which content Flux's chart holds cannot be told."""
    later = expected.pushed_at + timedelta(hours=1)
    return replace(expected, pushed_at=later, content_since=later)


@dataclass
class World:
    """A git host, a cluster with Flux, and a judge who sees every write of it in order."""

    host: GitHost
    double: ClusterDouble
    flux: FluxReconciler
    source: FluxSource
    commits: list[str] = field(default_factory=list)

    async def push(self, version: str, **sandbox: Any) -> str:
        self.commits.append(await self.host.commit("iac", chart(version, **sandbox)))
        return self.commits[-1]

    def expectation(
        self, version: str, previous: str, *, fail_after: int = 1, later: tuple[Later, ...] = ()
    ) -> Expectation:
        *before, ours = self.commits[: len(self.commits) - len(later)]
        now = clock.now()
        return Expectation(
            target=RolloutTarget(
                kind="flux", cluster="c", namespace="default", name="podinfo", timeout_seconds=60, fail_after=fail_after
            ),
            chart_name="podinfo",
            chart_version=version,
            previous_chart_version=previous,
            url=self.source.url,
            branch="main",
            path=PATH,
            commit=ours,
            unchanged=False,
            pushed_at=now,
            content_since=now,
            reused=version == previous,
            relations=dict.fromkeys(before, Relation.ANCESTOR),
            later=later,
        )

    async def until(self, condition: Callable[[dict[Ref, Object]], Any]) -> None:
        """Follow the cluster write by write until the condition holds of what is there."""
        objects: dict[Ref, Object] = {}
        async with asyncio.timeout(DEADLINE), self.changes() as changes:
            async for change in changes:
                metadata = change.object["metadata"]
                objects[Ref(change.object["kind"], metadata["namespace"], metadata["name"])] = change.object
                if condition(objects):
                    return

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[Change]]:
        changes = self.double.subscribe(*FLUX, since=BEGINNING)
        try:
            yield changes
        finally:
            await changes.aclose()  # type: ignore[attr-defined]

    async def verdicts(self, expectation: Expectation, *, fits: Callable[[Verdict], bool]) -> list[Verdict]:
        """Every verdict, write by write, from the beginning of the cluster up to the first that fits."""
        seen: list[Verdict] = []

        def judge(objects: dict[Ref, Object]) -> bool:
            seen.append(assess(objects, expectation))
            return fits(seen[-1])

        await self.until(judge)
        return seen

    async def outcome(self, expectation: Expectation) -> tuple[list[str], Verdict]:
        """What was told on the way, and the first verdict that is final."""
        seen = await self.verdicts(expectation, fits=lambda verdict: not isinstance(verdict, Progressing))
        told = [verdict.message for verdict in seen[:-1]]
        return [message for place, message in enumerate(told) if message not in told[:place]], seen[-1]

    def release(self) -> Any:
        return self.double.get(HELM_RELEASES, "default", "podinfo")

    async def deployed(self, version: str) -> None:
        """Wait until a chart runs and Flux is done with it."""
        await self.until(lambda objects: runs(objects, version))

    async def status(self, resource: Resource, condition: Callable[[Any], bool]) -> Any:
        """Wait until the one object of a kind has a status of some sort."""
        found: list[Any] = []

        def fits(objects: dict[Ref, Object]) -> bool:
            found[:] = [
                obj for ref, obj in objects.items() if ref.kind == resource.kind and condition(obj.get("status") or {})
            ]
            return bool(found)

        await self.until(fits)
        return found[0]


@asynccontextmanager
async def flux_world(directory: Path, *, spec: Mapping[str, Any] = {}) -> AsyncIterator[World]:
    """A cluster whose Flux follows the branch and runs the chart `BEFORE`; `spec` is merged into the HelmRelease's."""
    async with GitHost(directory / "git", user="dag", password="hunter2") as host:
        source = FluxSource(url=host.url("iac"), user="dag", password="hunter2")
        await host.commit("iac", chart(BEFORE))
        double = ClusterDouble()
        release = FluxRelease(name="podinfo", path=PATH, source=source, spec=spec)
        async with FluxReconciler(double, [release], pace=QUICK) as flux:
            here = World(host, double, flux, source, [host.repository("iac").tip()])
            await here.deployed(BEFORE)
            yield here


def runs(objects: dict[Ref, Object], version: str) -> bool:
    status = objects.get(Ref("HelmRelease", "default", "podinfo"), {}).get("status") or {}
    latest = (status.get("history") or [{}])[0]
    return (
        latest.get("chartVersion", "").partition("+")[0] == version
        and reason(status, "Ready") == "True"
        and not reason(status, "Reconciling")
    )


def reason(status: Any, type_: str, field_: str = "status") -> str:
    found = (one[field_] for one in status.get("conditions", []) if one["type"] == type_)
    return next(found, "")
