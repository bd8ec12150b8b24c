"""Right after a push the reconciler is told: rollouts do not wait for intervals of minutes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from conditions import until
from monitor_world import CLUSTER, MonitorWorld, application, monitor_world

from dag_common.contracts.events import DeploymentId, RolloutTarget
from dag_common.domain.deployment import Status
from dag_common.store.database import Database
from dag_monitor.domain.kick import REFRESH, REQUESTED_AT, token
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.resources import APPLICATIONS, GIT_REPOSITORIES, Object, Resource
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource, Pace

MINUTE = 60.0
NAMES = ("podinfo", "cart", "search")
ARGO = RolloutTarget(kind="argocd", cluster=CLUSTER, namespace="argocd", name="podinfo", timeout_seconds=600)
LACKING = "DAG lacks the right to patch gitrepositories.source.toolkit.fluxcd.io in namespace flux-system"


def flux_target(name: str) -> RolloutTarget:
    return RolloutTarget(kind="flux", cluster=CLUSTER, namespace="default", name=name, timeout_seconds=600)


def charts(version: str, *names: str) -> dict[str, bytes | None]:
    described = {"apiVersion": "v2", "version": version, "appVersion": version}
    return {f"apps/{name}/Chart.yaml": yaml.safe_dump(described | {"name": name}).encode() for name in names}


@dataclass
class FluxWorld:
    """Flux at its own default intervals: it has just fetched, and looks again in a minute."""

    world: MonitorWorld
    host: GitHost
    commits: list[str] = field(default_factory=list)

    async def push(self, name: str = "podinfo", version: str = "1.2.3") -> DeploymentId:
        commit = await self.host.commit("iac", charts(version, name))
        return await self.record(name, commit, version)

    async def record(self, name: str, commit: str, version: str = "1.2.3") -> DeploymentId:
        base = self.commits[-1] if self.commits else ""
        self.commits.append(commit)
        return await self.world.push(
            flux_target(name),
            chart_name=name,
            url=self.host.url("iac"),
            path=f"apps/{name}",
            base=base,
            commit=commit,
            tree=f"{len(self.commits):040x}",
            chart_version=version,
        )

    def kicks(self) -> list[str]:
        return written(self.world, GIT_REPOSITORIES, REQUESTED_AT)


def written(world: MonitorWorld, resource: Resource, annotation: str) -> list[str]:
    """Each value the annotation ever got."""
    changes = [change for change in world.cluster.history.after(START) if change.resource == resource]
    values = [(annotations(change.object).get(annotation), annotations(change.before or {}).get(annotation))
              for change in changes]  # fmt: skip
    return [now for now, before in values if now and now != before]


def annotations(obj: Object) -> dict[str, Any]:
    return (obj.get("metadata") or {}).get("annotations") or {}


START = 1000


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def begin(stack: AsyncExitStack, database: Database, directory: Path, **cluster: Any) -> FluxWorld:
    world = await stack.enter_async_context(monitor_world(database, directory, **cluster))
    host = await stack.enter_async_context(GitHost(directory / "git"))
    await host.create("iac")
    await host.commit("iac", charts("1.2.2", *NAMES))
    source = FluxSource(url=host.url("iac"), interval=MINUTE)
    releases = [FluxRelease(name=name, path=f"apps/{name}", source=source) for name in NAMES]
    await stack.enter_async_context(FluxReconciler(world.cluster, releases, pace=Pace(action=0.05)))
    await until(lambda: fetched(world))
    return FluxWorld(world, host)


def fetched(world: MonitorWorld) -> Any:
    return world.cluster.get(GIT_REPOSITORIES, "flux-system", "iac").get("status", {}).get("artifact")


def answered(world: MonitorWorld) -> Any:
    return world.cluster.get(GIT_REPOSITORIES, "flux-system", "iac")["status"].get("lastHandledReconcileAt")


async def test_a_rollout_by_flux_does_not_wait_for_the_interval(
    database: Database, stack: AsyncExitStack, tmp_path: Path
) -> None:
    flux = await begin(stack, database, tmp_path)
    deployment_id = await flux.push()
    async with flux.world.monitor():
        assert (await flux.world.ended(deployment_id)).status is Status.DEPLOYED
    assert flux.kicks() == [token(flux.commits[0])]


async def test_a_push_after_an_answer_kicks_again(database: Database, stack: AsyncExitStack, tmp_path: Path) -> None:
    flux = await begin(stack, database, tmp_path)
    for version in ("1.2.3", "1.2.4"):
        deployment_id = await flux.push(version=version)
        async with flux.world.monitor():
            assert (await flux.world.ended(deployment_id)).status is Status.DEPLOYED
    assert flux.kicks() == [token(commit) for commit in flux.commits]


async def test_several_deployments_of_one_push_watched_by_two_monitors_are_one_kick(
    database: Database, stack: AsyncExitStack, tmp_path: Path
) -> None:
    flux = await begin(stack, database, tmp_path)
    pushed = [await flux.push(name) for name in NAMES]
    async with flux.world.monitor(), flux.world.monitor():
        for deployment_id in pushed:
            assert (await flux.world.ended(deployment_id)).status is Status.DEPLOYED
    (kick,) = flux.kicks()
    assert kick in {token(commit) for commit in flux.commits}


async def test_a_monitor_that_begins_anew_asks_nothing_that_was_asked(
    database: Database, stack: AsyncExitStack, tmp_path: Path
) -> None:
    flux = await begin(stack, database, tmp_path)
    unseen = await flux.record("podinfo", "5" * 40)
    async with flux.world.monitor():
        await until(lambda: answered(flux.world) == token("5" * 40))
    pushed_since = await flux.push("cart")
    async with flux.world.monitor():
        assert (await flux.world.ended(pushed_since)).status is Status.DEPLOYED
        assert not (await flux.world.load(unseen)).ended
    assert flux.kicks() == [token(commit) for commit in flux.commits]


async def test_a_missing_right_is_named_in_the_progress_and_the_rollout_waits_for_the_interval(
    database: Database, stack: AsyncExitStack, tmp_path: Path
) -> None:
    flux = await begin(stack, database, tmp_path)
    flux.world.cluster.faults.add(Fault(action="respond", verb="patch", status=403, times=0, message="forbidden"))
    deployment_id = await flux.push()
    async with flux.world.monitor():
        assert LACKING in await flux.world.progress(deployment_id, "DAG lacks")
        assert flux.kicks() == []
        interval_passes(flux.world)
        ended = await flux.world.ended(deployment_id)
    assert ended.status is Status.DEPLOYED
    assert LACKING not in ended.message


async def test_a_cluster_whose_entry_forbids_it_is_not_kicked(
    database: Database, stack: AsyncExitStack, tmp_path: Path
) -> None:
    flux = await begin(stack, database, tmp_path, kick=False)
    deployment_id = await flux.push()
    async with flux.world.monitor():
        await flux.world.progress(deployment_id, "")
        interval_passes(flux.world)
        assert (await flux.world.ended(deployment_id)).status is Status.DEPLOYED
    assert flux.kicks() == ["interval"]


def interval_passes(world: MonitorWorld) -> None:
    patch = {"metadata": {"annotations": {REQUESTED_AT: "interval"}}}
    world.cluster.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", patch)


async def test_argo_cd_is_told_to_look_once_and_only_that_is_written(database: Database, tmp_path: Path) -> None:
    commit, url = "6" * 40, "https://git.example.com/iac.git"
    async with monitor_world(database, tmp_path) as world:
        world.cluster.create(APPLICATIONS, application(url, "5" * 40))
        deployment_id = await world.push(ARGO, url=url, commit=commit, path="apps/podinfo")
        async with world.monitor():
            await until(lambda: written(world, APPLICATIONS, REFRESH))
            asked = world.cluster.get(APPLICATIONS, "argocd", "podinfo")
            assert asked["spec"] == application(url, "")["spec"]
            world.cluster.merge_patch(APPLICATIONS, "argocd", "podinfo", {"metadata": {"annotations": None}})
            done = application(url, commit)
            world.cluster.merge_patch(APPLICATIONS, "argocd", "podinfo", {"status": done["status"]})
            assert (await world.ended(deployment_id)).status is Status.DEPLOYED
        assert written(world, APPLICATIONS, REFRESH) == ["normal"]
