"""A monitor over HTTP on releases that the sandbox's Helm writes: from the commit to the end of the deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conditions import until
from flux_world import PATH, chart
from monitor_world import CLUSTER, MonitorWorld, monitor_world
from played_cluster import QUICK

from dag_common.contracts.events import RolloutTarget
from dag_common.domain.deployment import Deployment, Status
from dag_common.store.database import Database
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.git_follower import GitSource
from dag_sandbox.reconcilers.helm import HelmAgent, HelmApp
from dag_sandbox.reconcilers.workloads import WorkloadControllers

HELM = RolloutTarget(kind="helm", cluster=CLUSTER, namespace="default", name="podinfo", timeout_seconds=600)


@dataclass
class Pipeline:
    """`helm upgrade --install --wait` after each commit, and a monitor that follows it."""

    world: MonitorWorld
    host: GitHost

    async def deploy(self, version: str, **sandbox: Any) -> Deployment:
        """The deployment once it has ended."""
        commit = await self.host.commit("iac", chart(version, **sandbox))
        pushed = {"commit": commit, "chart_version": version, "previous_chart_version": "1.2.2"}
        return await self.world.ended(await self.world.push(HELM, url=self.host.url("iac"), **pushed))


@pytest.fixture
async def pipeline(database: Database, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with GitHost(tmp_path / "git") as host, monitor_world(database, tmp_path) as world:
        await host.commit("iac", chart("1.2.2"))
        app = HelmApp(name="podinfo", path=PATH, source=GitSource(url=host.url("iac")))
        async with WorkloadControllers(world.cluster, pace=QUICK), HelmAgent(world.cluster, [app], pace=QUICK) as agent:
            await until(lambda: [one.status for one in agent.helm(app).history()] == ["deployed"])
            async with world.monitor():
                yield Pipeline(world, host)


async def test_a_release_that_helm_deployed_ends_deployed(pipeline: Pipeline) -> None:
    assert (await pipeline.deploy("1.2.3")).status is Status.DEPLOYED


@pytest.mark.parametrize("outcome", ["fail", "refused", "rollback"])
async def test_a_release_that_failed_ends_failed_with_the_words_of_helm(pipeline: Pipeline, outcome: str) -> None:
    failed = await pipeline.deploy("1.2.3", outcome=outcome, reason="no database")
    assert failed.status is Status.FAILED
    assert 'Upgrade "podinfo" failed' in failed.message
    assert "no database" in failed.message
    assert (await pipeline.deploy("1.2.4")).status is Status.DEPLOYED
