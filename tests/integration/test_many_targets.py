"""Several targets of one environment: each is watched by its own judge and clock, and who failed is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from monitor_world import CLUSTER, MonitorWorld, application, monitor_world

from dag_common.contracts.codec import decode
from dag_common.contracts.events import DeploymentId, RolloutFailed, RolloutTarget
from dag_common.domain.deployment import Deployment, load
from dag_common.domain.statuses import Status
from dag_common.store.database import Database
from dag_common.store.streams import Streams
from dag_gateway.http import wire
from dag_sandbox.cluster.resources import APPLICATIONS, DEPLOYMENTS, JOBS

COMMIT, URL = "6" * 40, "https://git.example.com/iac.git"


def target(kind: str, name: str, seconds: int) -> RolloutTarget:
    return RolloutTarget(kind=kind, cluster=CLUSTER, namespace="shop", name=name, timeout_seconds=seconds)


HEALTHY = target("argocd", "podinfo", 600)
STUCK = target("flux", "podinfo", 1)
BROKEN = target("workload", "job/migrate", 300)
"""A job that gave up."""


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[MonitorWorld]:
    async with monitor_world(database, tmp_path) as world:
        yield world


def synced(world: MonitorWorld) -> None:
    made = application(URL, COMMIT)
    made["metadata"] |= {"namespace": "shop"}
    world.cluster.create(APPLICATIONS, made)


def given_up(world: MonitorWorld) -> None:
    labels = {"helm.sh/chart": "podinfo-1.2.3"}
    metadata = {"name": "migrate", "namespace": "shop", "labels": labels}
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it reached the limit"}
    world.cluster.create(JOBS, {"metadata": metadata, "spec": {}})
    status = {"failed": 7, "conditions": [failed]}
    world.cluster.merge_patch_status(JOBS, "shop", "migrate", {"status": status})


async def ended(world: MonitorWorld, *targets: RolloutTarget) -> tuple[DeploymentId, Deployment]:
    deployment_id = await world.push(*targets, url=URL, commit=COMMIT, path="apps/podinfo")
    async with world.monitor():
        return deployment_id, await world.ended(deployment_id)


async def streamed(world: MonitorWorld, deployment_id: DeploymentId) -> list[dict[str, Any]]:
    """The `target` events that the deployment's stream sends, in order."""
    records = (await Streams(world.database, "monitor").load_records([deployment_id]))[deployment_id]
    states = [load(deployment_id, records[:count]) for count in range(len(records) + 1)]
    blocks = b"".join(wire.step(before, after) for before, after in pairwise(states)).split(b"\n\n")
    lines = [block.split(b"\n") for block in blocks if block.startswith(b"event: target")]
    return [msgspec.json.decode(line[1].removeprefix(b"data: ")) for line in lines]


async def test_one_target_fails_one_times_out_one_succeeds_and_both_that_failed_are_named(world: MonitorWorld) -> None:
    synced(world)
    given_up(world)
    deployment_id, deployment = await ended(world, HEALTHY, STUCK, BROKEN)
    assert deployment.status is Status.FAILED
    assert deployment.succeeded.keys() == {HEALTHY.id}
    assert deployment.failed[STUCK.id].reason == "timeout"
    assert deployment.failed[BROKEN.id].reason == "job-failed"
    share, *named = deployment.message.split("\n")
    assert share == "2 of 3 targets failed."
    assert {line.partition(": ")[0] for line in named} == {STUCK.id, BROKEN.id}
    assert deployment.failure is not None
    assert deployment.failure.reason == "rollouts-failed"
    events = await streamed(world, deployment_id)
    last = {f"{event['kind']}/{event['name']}": event["status"] for event in events}
    assert last == {"argocd/podinfo": "succeeded", "flux/podinfo": "failed", "workload/job/migrate": "failed"}


async def test_each_target_is_over_at_its_own_timeout_and_the_deployment_with_the_last(world: MonitorWorld) -> None:
    synced(world)
    patient = target("workload", "web", 3)
    deployment_id, deployment = await ended(world, HEALTHY, STUCK, patient)
    records = (await Streams(world.database, "monitor").load_records([deployment_id]))[deployment_id]
    order = [fact.target for record in records if isinstance(fact := decode(record), RolloutFailed)]
    assert order == [STUCK.id, patient.id]
    assert "Not done within 1s of the push" in deployment.failed[STUCK.id].message
    assert "Not done within 3s of the push" in deployment.failed[patient.id].message
    assert deployment.failure is not None
    assert deployment.failure.reason == "timeout"


async def test_all_targets_have_to_succeed_before_the_deployment_has(world: MonitorWorld) -> None:
    synced(world)
    metadata = {"name": "web", "namespace": "shop", "labels": {"helm.sh/chart": "podinfo-1.2.3"}}
    deployment_id = await world.push(HEALTHY, target("workload", "web", 600), url=URL, commit=COMMIT)
    async with world.monitor():
        await world.progress(deployment_id, "Deployment shop/web does not exist yet")
        halfway = await world.load(deployment_id)
        assert not halfway.ended
        world.cluster.create(DEPLOYMENTS, {"metadata": metadata, "spec": {"replicas": 1}})
        conditions = [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ]
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
        status = {"observedGeneration": 1, "conditions": conditions, **counts}
        world.cluster.merge_patch_status(DEPLOYMENTS, "shop", "web", {"status": status})
        deployment = await world.ended(deployment_id)
    assert deployment.status is Status.DEPLOYED
    assert deployment.message.endswith("on 2 targets")
