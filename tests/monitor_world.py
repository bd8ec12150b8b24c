"""A monitor at work on a log, with one cluster double of which the registry knows, reached over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from examples import PUSHED, REQUESTED, fresh_id, new, requested

from dag_common.bus.local import LocalBus
from dag_common.contracts.events import ChartPushed, DeploymentId, PushStarted, RolloutTarget
from dag_common.delivery.relay import Relay
from dag_common.domain.deployment import Deployment
from dag_common.registry.file import RegistryFile
from dag_common.runtime import clock
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_monitor.bootstrap import monitor
from dag_monitor.settings import Settings
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import Object
from dag_sandbox.cluster.serving import ClusterApi

CLUSTER = "prod"


@dataclass
class MonitorWorld:
    """What the monitor works on; `monitor` sets one to work, as many as there are blocks."""

    database: Database
    api: ClusterApi
    registry: RegistryFile
    settings: Settings

    @property
    def cluster(self) -> ClusterDouble:
        return self.api.cluster

    async def push(
        self,
        *targets: RolloutTarget,
        chart_name: str = "podinfo",
        url: str = REQUESTED.iac.url,
        base: str = "",
        **pushed: Any,
    ) -> DeploymentId:
        """A deployment whose chart was pushed right now, on top of the commit `base`."""
        deployment_id, replace = fresh_id(), msgspec.structs.replace
        chart, iac = replace(REQUESTED.chart, name=chart_name), replace(REQUESTED.iac, url=url)
        wanted = requested(targets=targets, chart=chart, iac=iac)
        fact: ChartPushed = msgspec.structs.replace(PUSHED, **pushed)
        async with self.database.transaction() as connection:
            facts = (wanted, PushStarted(attempt=1, base=base), fact)
            await event_log.append(connection, [new(deployment_id, at, each) for at, each in enumerate(facts, start=1)])
        return deployment_id

    async def load(self, deployment_id: DeploymentId) -> Deployment:
        return await Streams(self.database, "monitor").load(deployment_id)

    async def ended(self, deployment_id: DeploymentId, *, seconds: float = 30) -> Deployment:
        """The deployment once it has ended."""
        async with asyncio.timeout(seconds):
            while True:
                deployment = await self.load(deployment_id)
                if deployment.ended:
                    return deployment
                await asyncio.sleep(0.02)

    async def progress(self, deployment_id: DeploymentId, words: str, *, seconds: float = 30) -> str:
        """The first progress that holds the words."""
        async with asyncio.timeout(seconds):
            while True:
                for said in (await self.load(deployment_id)).progress.values():
                    if words in said:
                        return said
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[None]:
        """A monitor that takes up what was pushed, on a bus of its own, fed by the log."""
        bus = LocalBus()
        relay = asyncio.create_task(Relay(self.database, bus).run())
        try:
            at_work = monitor(
                self.settings, database=self.database, bus=bus, registry=self.registry.current, alone=True
            )
            async with at_work:
                yield
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)


@asynccontextmanager
async def monitor_world(database: Database, directory: Path, **cluster: Any) -> AsyncIterator[MonitorWorld]:
    """The world; keywords go into the cluster's entry in the registry."""
    async with ClusterApi(ClusterDouble(CLUSTER)) as api:
        (directory / "token").write_text(api.token)
        entry = {"server": api.url, "token": {"file": "token"}, **cluster}
        (directory / "dag.yaml").write_text(yaml.safe_dump({"clusters": {CLUSTER: entry}}))
        registry = RegistryFile(directory / "dag.yaml")
        await registry.start()
        settings = Settings(database_url="", amqp_url="", registry=directory / "dag.yaml")
        yield MonitorWorld(database, api, registry, settings)


def application(url: str, commit: str) -> Object:
    """An Application of Argo CD that is synced to a commit, and healthy."""
    source = {"repoURL": url, "path": "apps/podinfo", "targetRevision": "main"}
    at = clock.now().isoformat()
    return {
        "metadata": {"name": "podinfo", "namespace": "argocd"},
        "spec": {"source": source, "syncPolicy": {"automated": {}}},
        "status": {
            "sync": {"status": "Synced", "revision": commit, "comparedTo": {"source": source}},
            "health": {"status": "Healthy", "lastTransitionTime": at},
            "reconciledAt": at,
            "operationState": {
                "phase": "Succeeded", "message": "successfully synced", "startedAt": at, "finishedAt": at,
                "operation": {"sync": {"revision": commit}}, "syncResult": {"revision": commit},
            },
        },
    }  # fmt: skip
