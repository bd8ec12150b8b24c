"""A plain Deployment that is rolled back while its rollout goes from one monitor to another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from monitor_world import CLUSTER, MonitorWorld, monitor_world
from played_cluster import chart

from dag_common.contracts.events import RolloutTarget
from dag_common.store.database import Database
from dag_sandbox.cluster.resources import DEPLOYMENTS
from dag_sandbox.reconcilers import manifests
from dag_sandbox.reconcilers.outcomes import Outcome

KEY = ("default", "podinfo")
TARGET = RolloutTarget(kind="workload", cluster=CLUSTER, namespace=KEY[0], name=KEY[1], timeout_seconds=600)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[MonitorWorld]:
    async with monitor_world(database, tmp_path) as here:
        yield here


def apply(world: MonitorWorld, version: str) -> None:
    """What Helm writes; nobody brings the pods up, so none of it is ever done."""
    wanted = manifests.deployment(KEY, chart(version), Outcome())
    here = [one for one in world.cluster.list(DEPLOYMENTS) if one["metadata"]["name"] == KEY[1]]
    world.cluster.put(DEPLOYMENTS, manifests.applied(here[0], wanted) if here else wanted)


async def test_a_rollback_that_nobody_watched_is_told_by_whoever_takes_the_rollout_over(world: MonitorWorld) -> None:
    apply(world, "1.2.2")
    deployment_id = await world.push(TARGET)
    async with world.monitor():
        await world.progress(deployment_id, "carries helm.sh/chart=podinfo-1.2.2")
        apply(world, "1.2.3")
        await world.progress(deployment_id, "has podinfo 1.2.3")
    apply(world, "1.2.2")
    async with world.monitor():
        ended = await world.ended(deployment_id)
    failure = ended.failed[TARGET.id]
    assert failure.reason == "rolled-back"
    assert failure.message.startswith("Deployment default/podinfo was rolled back: it had podinfo 1.2.3")
