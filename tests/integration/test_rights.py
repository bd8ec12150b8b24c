"""The monitor does its work with exactly the rights that `dag rbac` grants, and names each one that is taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from conditions import until
from examples import REQUESTED
from flux_objects import merged
from monitor_world import CLUSTER, MonitorWorld, application, monitor_world

from dag_common.contracts.events import DeploymentId, RolloutTarget
from dag_common.domain.deployment import Status
from dag_common.registry.file import read_registry
from dag_common.runtime import clock
from dag_common.store.database import Database
from dag_monitor.cluster.clusters import Clusters
from dag_monitor.cluster.inspections import Inspections
from dag_monitor.cluster.rights import Places, Purpose, Right, needed
from dag_monitor.domain.expectation import Object, Ref
from dag_sandbox.cluster.access import Asked
from dag_sandbox.cluster.resources import (
    APPLICATIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    GIT_REPOSITORIES,
    PODS,
    REPLICA_SETS,
    Resource,
)
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource, Pace
from dag_standalone.rbac import Elsewhere, Holder, manifests

WORKLOAD = RolloutTarget(kind="workload", cluster=CLUSTER, namespace="shop", name="web", timeout_seconds=60)
FLUX = RolloutTarget(kind="flux", cluster=CLUSTER, namespace="default", name="podinfo", timeout_seconds=600)
ARGO = RolloutTarget(kind="argocd", cluster=CLUSTER, namespace="argocd", name="podinfo", timeout_seconds=600)
PLACES = Places(sources=frozenset({"flux-system"}), workloads=frozenset({"default"}))
SAID = "panic: no database"
LABELS = {"app": "web"}
EXCEEDED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
CRASHING = {
    "name": "web",
    "image": "shop:9",
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
}


def asked(right: Right) -> Asked:
    return Asked(right.verb, right.resource.group, right.plural, right.namespace)


def of(target: RolloutTarget, *purposes: Purpose) -> list[Right]:
    places = PLACES if target.kind == "flux" else Places(workloads=frozenset({target.namespace}))
    rights = needed(target, places, kick=True, logs=True)
    return [right for right, purpose in rights.items() if purpose in purposes]


@asynccontextmanager
async def permitted(database: Database, directory: Path, target: RolloutTarget) -> AsyncIterator[MonitorWorld]:
    """A cluster that grants what `dag rbac` prints for a registry with this one target."""
    async with monitor_world(database, directory) as world:
        world.cluster.access.apply(printed(directory, target))
        yield world


def printed(directory: Path, target: RolloutTarget) -> str:
    document = yaml.safe_load((directory / "dag.yaml").read_text())
    watched = {name: getattr(target, name) for name in ("kind", "cluster", "namespace", "name")}
    iac = {"repository": "live", "path": "apps/podinfo"}
    environment = {"name": "live", "branch": "main", "iac": iac, "targets": [watched]}
    url = "https://git.example.com/acme/podinfo"
    document |= {
        "providers": {"ci": {"kind": "gitlab", "url": "https://git.example.com"}},
        "iac": {"live": {"url": f"{url}-iac"}},
        "apps": [{"name": "podinfo", "repoUrl": url, "provider": "ci", "environments": [environment]}],
    }
    written = directory / "with-app.yaml"
    written.write_text(yaml.safe_dump(document))
    return manifests(read_registry(written), CLUSTER, Holder("dag-monitor", "dag"), Elsewhere(("flux-system",), ()))


def take_away(world: MonitorWorld, right: Right) -> None:
    granted = world.cluster.access.granted
    assert asked(right) in granted
    world.cluster.access.grant(granted - {asked(right)})


def put(world: MonitorWorld, resource: Resource, name: str, owner: Object | None = None, **more: Any) -> Object:
    references = [{"uid": owner["metadata"]["uid"], "controller": True}] if owner else []
    namespace = more.pop("namespace")
    metadata = {"name": name, "namespace": namespace, "labels": LABELS, "ownerReferences": references}
    made = world.cluster.create(resource, merged({"metadata": metadata}, more))
    if "status" in more and resource.status_subresource:
        made = world.cluster.merge_patch_status(resource, namespace, name, {"status": more["status"]})
    return made


def failing(world: MonitorWorld, namespace: str, *resources: Resource) -> None:
    """Workloads of our chart whose new pod crashes."""
    marks = {"deployment.kubernetes.io/revision": "1", "meta.helm.sh/release-name": "podinfo"}
    labels = LABELS | {"helm.sh/chart": "podinfo-1.2.3"}
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "conditions": [EXCEEDED]}
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}}
    more = {"namespace": namespace, "metadata": {"annotations": marks}}
    for resource in resources:
        marked = merged(more, {"metadata": {"labels": labels}})
        web = put(world, resource, "web", spec=spec, status=status, **marked)
        if resource == DEPLOYMENTS:
            new = put(world, REPLICA_SETS, "web-1", web, **more)
            crashed = {"phase": "Running", "containerStatuses": [CRASHING]}
            containers = {"containers": [{"name": "web"}]}
            pod = put(world, PODS, "web-1-a", new, namespace=namespace, spec=containers, status=crashed)
            world.cluster.logs.begin(pod, "web", SAID)


async def ended(world: MonitorWorld) -> str:
    """The message of a workload's failure."""
    failing(world, "shop", DEPLOYMENTS)
    deployment_id = await world.push(WORKLOAD)
    async with world.monitor():
        return (await world.ended(deployment_id)).message


async def test_a_workload_is_watched_and_explained_with_its_rights_and_asks_for_no_other(
    database: Database, tmp_path: Path
) -> None:
    async with permitted(database, tmp_path, WORKLOAD) as world:
        message = await ended(world)
        assert SAID in message
        assert "lacks the right" not in message
        assert world.cluster.access.asked == world.cluster.access.granted


@pytest.mark.parametrize("right", of(WORKLOAD, Purpose.WATCH), ids=str)
async def test_a_workload_that_may_not_be_watched_says_so_while_it_waits(
    database: Database, tmp_path: Path, right: Right
) -> None:
    async with permitted(database, tmp_path, WORKLOAD) as world:
        take_away(world, right)
        deployment_id = await world.push(WORKLOAD)
        async with world.monitor():
            assert names(right, await world.progress(deployment_id, "cannot be watched"))


@pytest.mark.parametrize("right", of(WORKLOAD, Purpose.EXPLAIN), ids=str)
async def test_a_failure_that_may_not_be_looked_into_names_the_right(
    database: Database, tmp_path: Path, right: Right
) -> None:
    async with permitted(database, tmp_path, WORKLOAD) as world:
        take_away(world, right)
        assert str(right) in await ended(world)


def names(right: Right, message: str) -> bool:
    """Whether a message of the API client is about this right."""
    return f"cannot {right.verb} {right.resource.qualified}" in message and f'"{right.namespace}"' in message


class FluxWorld:
    """Flux at its default interval of a minute, which has fetched just now."""

    def __init__(self, world: MonitorWorld, host: GitHost) -> None:
        self.world, self.host = world, host

    async def push(self) -> DeploymentId:
        commit = await self.host.commit("iac", chart("1.2.3"))
        url, tree = self.host.url("iac"), f"{1:040x}"
        place = {"url": url, "path": "apps/podinfo", "commit": commit, "tree": tree, "chart_version": "1.2.3"}
        return await self.world.push(FLUX, **place)


def chart(version: str) -> dict[str, bytes | None]:
    described = {"apiVersion": "v2", "name": "podinfo", "version": version, "appVersion": version}
    return {"apps/podinfo/Chart.yaml": yaml.safe_dump(described).encode()}


@pytest.fixture
async def flux(database: Database, tmp_path: Path) -> AsyncIterator[FluxWorld]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(permitted(database, tmp_path, FLUX))
        host = await stack.enter_async_context(GitHost(tmp_path / "git"))
        await host.commit("iac", chart("1.2.2"))
        release = FluxRelease(
            name="podinfo", path="apps/podinfo", source=FluxSource(url=host.url("iac"), interval=60.0)
        )
        await stack.enter_async_context(FluxReconciler(world.cluster, [release], pace=Pace(action=0.05)))
        await until(lambda: world.cluster.get(GIT_REPOSITORIES, "flux-system", "iac").get("status", {}).get("artifact"))
        yield FluxWorld(world, host)


async def test_a_rollout_by_flux_needs_the_rights_to_watch_and_kick_and_no_other(flux: FluxWorld) -> None:
    deployment_id = await flux.push()
    async with flux.world.monitor():
        assert (await flux.world.ended(deployment_id)).status is Status.DEPLOYED
    wanted = {asked(right) for right in of(FLUX, Purpose.WATCH, Purpose.KICK)}
    assert flux.world.cluster.access.asked == wanted


@pytest.mark.parametrize("right", of(FLUX, Purpose.WATCH), ids=str)
async def test_a_rollout_by_flux_that_may_not_be_watched_says_so(flux: FluxWorld, right: Right) -> None:
    take_away(flux.world, right)
    deployment_id = await flux.push()
    async with flux.world.monitor():
        assert names(right, await flux.world.progress(deployment_id, "cannot be watched"))


async def test_a_kick_that_is_not_permitted_names_the_right(flux: FluxWorld) -> None:
    (right,) = of(FLUX, Purpose.KICK)
    take_away(flux.world, right)
    deployment_id = await flux.push()
    async with flux.world.monitor():
        await flux.world.progress(deployment_id, f"DAG lacks the right to {right}")


async def test_a_rollout_by_argo_cd_needs_the_rights_to_watch_and_kick_and_no_other(
    database: Database, tmp_path: Path
) -> None:
    async with permitted(database, tmp_path, ARGO) as world:
        world.cluster.create(APPLICATIONS, application(REQUESTED.iac.url, "b" * 40))
        await world.push(ARGO)
        wanted = {asked(right) for right in of(ARGO, Purpose.WATCH, Purpose.KICK)}
        async with world.monitor():
            await until(lambda: len(world.cluster.access.asked) >= len(wanted))
        assert world.cluster.access.asked == wanted == world.cluster.access.granted


async def explained(world: MonitorWorld) -> str:
    """What inspections say, by the workloads that Flux lists and by the marks that Helm leaves."""
    kinds = ("Deployment_apps", "StatefulSet_apps", "DaemonSet_apps", "Job_batch")
    entries = [{"id": f"default_web_{group}_{kind}"} for kind, group in (one.split("_") for one in kinds)]
    listed = {"kind": "HelmRelease", "status": {"inventory": {"entries": entries}}}
    seen: dict[Ref, Object] = {Ref("HelmRelease", "default", "podinfo"): listed}
    clusters = Clusters(world.registry.current)
    try:
        looks = [Inspections(clusters).inspect(FLUX, objects, clock.now()) for objects in (seen, {})]
        return "\n".join(line for lines in await asyncio.gather(*looks) for line in lines)
    finally:
        await clusters.close()


async def test_a_failure_of_flux_is_explained_with_its_rights_and_asks_for_no_other(
    database: Database, tmp_path: Path
) -> None:
    async with permitted(database, tmp_path, FLUX) as world:
        failing(world, "default", DEPLOYMENTS, DAEMON_SETS)
        message = await explained(world)
        wanted = {asked(right) for right in of(FLUX, Purpose.EXPLAIN)}
        assert SAID in message
        assert "lacks the right" not in message
        assert world.cluster.access.asked == wanted


async def test_each_right_that_an_explanation_lacks_is_named(database: Database, tmp_path: Path) -> None:
    async with permitted(database, tmp_path, FLUX) as world:
        failing(world, "default", DEPLOYMENTS, DAEMON_SETS)
        granted = world.cluster.access.granted
        for right in of(FLUX, Purpose.EXPLAIN):
            world.cluster.access.grant(granted - {asked(right)})
            assert str(right) in await explained(world)
