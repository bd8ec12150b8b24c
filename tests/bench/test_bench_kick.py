"""How soon after a push its rollout starts, by controllers that look by themselves once in minutes."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from acceptance.harness.installation import Installation
from acceptance.harness.log_reader import LogReader
from conditions import until
from examples import PUSHED, fresh_id, new, requested
from flux_world import PATH, chart
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table
from servers.warden import Warden

from dag_common.contracts.events import ChartRef, IacTarget, RolloutTarget
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import APPLICATIONS, HELM_RELEASES
from dag_sandbox.cluster.serving import ClusterApi
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.argocd import ArgoApp, ArgoCd, GitSource
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.workloads import WorkloadControllers

CLUSTER = "prod"
PUSHES = 20
USUAL = Pace(action=0.05, pod=0.02)
"""Nothing but the work itself is quicker than in the sandbox; git is looked at as rarely as the real ones do."""

FLUX = RolloutTarget(kind="flux", cluster=CLUSTER, namespace="default", name="podinfo", timeout_seconds=600)
ARGO = RolloutTarget(kind="argocd", cluster=CLUSTER, namespace="argocd", name="podinfo", timeout_seconds=600)


class Pushing:
    """Pushes charts, and waits until the cluster begins with each."""

    def __init__(self, host: GitHost, database: Database, cluster: ClusterDouble) -> None:
        self._host, self._database, self._cluster = host, database, cluster
        self._version = 0

    async def begun(self, target: RolloutTarget, started: Callable[[ClusterDouble, str, str], Any]) -> float:
        """Seconds from the push, recorded, to the first write about it."""
        self._version += 1
        version, deployment_id = f"1.2.{self._version}", fresh_id()
        commit = await self._host.commit("iac", chart(version))
        iac = IacTarget(repository="iac", url=self._host.url("iac"), branch="main", path=PATH)
        wanted = requested(
            targets=(target,), iac=iac, chart=ChartRef(sha256="ab" * 32, size=1, name="podinfo", version=version)
        )
        fact = replace(
            PUSHED,
            commit=commit,
            path=PATH,
            tree=f"{self._version:040x}",
            chart_version=version,
            previous_chart_version=f"1.2.{self._version - 1}",
        )
        async with self._database.transaction() as connection:
            await event_log.append(connection, [new(deployment_id, 1, wanted), new(deployment_id, 2, fact)])
        at = time.perf_counter()
        await until(lambda: started(self._cluster, version, commit))
        seconds = time.perf_counter() - at
        await LogReader(self._database).until(deployment_id, "deployment.succeeded")
        return seconds


def flux_began(cluster: ClusterDouble, version: str, _: str) -> bool:
    status = cluster.get(HELM_RELEASES, "default", "podinfo").get("status") or {}
    return bool(status.get("lastAttemptedRevision") == version)


def argo_began(cluster: ClusterDouble, _: str, commit: str) -> bool:
    app = cluster.get(APPLICATIONS, "argocd", "podinfo")
    operation = (app.get("status") or {}).get("operationState") or {}
    return commit in str((app.get("operation"), operation.get("operation"), operation.get("syncResult")))


@asynccontextmanager
async def controllers(double: ClusterDouble, url: str) -> AsyncIterator[None]:
    """Flux and Argo CD, each with one release of the same chart in git."""
    flux = FluxReconciler(double, [FluxRelease(name="podinfo", path=PATH, source=FluxSource(url=url))], pace=USUAL)
    argo = ArgoCd(double, [ArgoApp(name="podinfo", path=PATH, source=GitSource(url=url))], pace=USUAL)
    async with WorkloadControllers(double, pace=USUAL), flux, argo:
        await until(lambda: flux_began(double, "1.2.0", ""))
        await until(lambda: "Healthy" in str(double.get(APPLICATIONS, "argocd", "podinfo").get("status")))
        yield


def registry(directory: Path, api: ClusterApi) -> str:
    (directory / "token").write_text(api.token)
    entry = {"server": api.url, "token": {"file": "token"}}
    (directory / "dag.yaml").write_text(yaml.safe_dump({"clusters": {CLUSTER: entry}}))
    return str(directory)


async def test_from_a_push_to_the_start_of_its_rollout(
    database: Database, database_url: str, amqp_url: str, amqp_namespace: str, tmp_path: Path
) -> None:
    told = {"DAG_DATABASE_URL": database_url, "DAG_AMQP_URL": amqp_url, "DAG_AMQP_NAMESPACE": amqp_namespace}
    table = Table(
        "controller", "median", "longest", title=f"from the push to the start of its rollout, {PUSHES} pushes"
    )
    async with GitHost(tmp_path / "git") as host, ClusterApi(ClusterDouble(CLUSTER)) as api:
        await host.commit("iac", chart("1.2.0"))
        with Warden() as warden:
            dag = Installation(tmp_path / "dag", told | {"DAG_REGISTRY": registry(tmp_path, api)}, warden)
            async with controllers(api.cluster, host.url("iac")):
                await dag.start(monitor=1)
                pushing = Pushing(host, database, api.cluster)
                for target, began in ((FLUX, flux_began), (ARGO, argo_began)):
                    times = [await pushing.begun(target, began) for _ in range(PUSHES)]
                    table.add_row(
                        target.kind, *(f"{one * 1000:.0f} ms" for one in (statistics.median(times), max(times)))
                    )
            await dag.close()
    table.caption = f"load {os.getloadavg()[0]:.1f}"
    Console(width=100).print(table)
