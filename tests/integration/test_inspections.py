"""A rollout that failed says why: its pods are looked at once, within bounds, whatever the cluster permits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flux_objects import merged
from monitor_world import CLUSTER, MonitorWorld, monitor_world

from dag_common.contracts.events import RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_common.runtime import clock
from dag_common.store.database import Database
from dag_monitor.cluster.clusters import Clusters
from dag_monitor.cluster.inspections import NOT_LOOKED_AT, Inspections
from dag_monitor.domain.expectation import Object, Ref
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.resources import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, Resource

TARGET = RolloutTarget(kind="workload", cluster=CLUSTER, namespace="shop", name="web", timeout_seconds=60)
LABELS = {"app": "web"}
EXCEEDED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
CRASHING = {"name": "web", "image": "shop:9", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}  # fmt: skip
CRASH = 'Pod web-2-a: container "web" keeps crashing (exit code 1, 4 restarts)'
SAID = "panic: no database"
WORDS = f"  web: {SAID}"
JUDGED = "podinfo 1.2.3 in Deployment shop/web: It exceeded its progress deadline. timed out."


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[MonitorWorld]:
    async with monitor_world(database, tmp_path) as world:
        yield world


def put(world: MonitorWorld, resource: Resource, name: str, owner: Object | None = None, **more: Any) -> Object:
    references = [{"uid": owner["metadata"]["uid"], "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "shop", "labels": LABELS, "ownerReferences": references}
    wanted = merged({"metadata": metadata}, more)
    made = world.cluster.create(resource, wanted)
    if "status" in more and resource.status_subresource:
        made = world.cluster.merge_patch_status(resource, "shop", name, {"status": more["status"]})
    return made


def revision(number: int) -> dict[str, Any]:
    return {"annotations": {"deployment.kubernetes.io/revision": str(number)}}


def failing(world: MonitorWorld, *, helm: bool = False) -> None:
    """A Deployment of our chart whose new pod crashes while the old one runs."""
    annotations = revision(2)["annotations"] | ({"meta.helm.sh/release-name": "shop"} if helm else {})
    metadata = {"labels": LABELS | {"helm.sh/chart": "podinfo-1.2.3"}, "annotations": annotations}
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "conditions": [EXCEEDED]}
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}}
    web = put(world, DEPLOYMENTS, "web", metadata=metadata, spec=spec, status=status)
    old = put(world, REPLICA_SETS, "web-1", web, metadata=revision(1))
    new = put(world, REPLICA_SETS, "web-2", web, metadata=revision(2))
    put(world, PODS, "web-1-a", old, status={"containerStatuses": [{"name": "web", "ready": True}]})
    crashed = {"phase": "Running", "containerStatuses": [CRASHING]}
    pod = put(world, PODS, "web-2-a", new, spec={"containers": [{"name": "web"}]}, status=crashed)
    world.cluster.logs.begin(pod, "web", SAID)


def forbid(world: MonitorWorld, verb: str, resource: str) -> None:
    world.cluster.faults.add(Fault(action="respond", verb=verb, resource=resource, status=403, times=0))


async def failure(world: MonitorWorld, target: RolloutTarget = TARGET) -> list[str]:
    """The lines of the failed target's message."""
    deployment_id = await world.push(target)
    async with world.monitor():
        ended: Deployment = await world.ended(deployment_id)
    return ended.failed[target.id].message.split("\n")


async def test_a_failed_workload_tells_of_its_new_pods_and_their_last_words(world: MonitorWorld) -> None:
    failing(world)
    assert await failure(world) == [JUDGED, CRASH, WORDS]


async def test_the_deployment_s_own_message_holds_every_line(world: MonitorWorld) -> None:
    failing(world)
    deployment_id = await world.push(TARGET)
    async with world.monitor():
        ended = await world.ended(deployment_id)
    assert ended.message == f"{TARGET.id}: {JUDGED}\n{CRASH}\n{WORDS}"


async def test_a_target_that_timed_out_tells_what_was_wrong_too(world: MonitorWorld) -> None:
    failing(world)
    patience = RolloutTarget(
        kind="workload", cluster=CLUSTER, namespace="shop", name="web", timeout_seconds=1, fail_after=0
    )
    first, *lines = await failure(world, patience)
    assert first.startswith("Not done within 1s of the push. Last seen:")
    assert lines == [CRASH, WORDS]


async def test_a_missing_right_is_named_and_the_rest_is_told(world: MonitorWorld) -> None:
    failing(world)
    forbid(world, "list", "replicasets")
    forbid(world, "list", "events")
    assert await failure(world) == [
        JUDGED,
        CRASH,
        WORDS,
        "DAG lacks the right to list replicasets.apps in namespace shop and to list events in namespace shop",
    ]


async def test_without_any_right_the_verdict_is_the_same(world: MonitorWorld) -> None:
    failing(world)
    forbid(world, "list", "pods")
    forbid(world, "list", "replicasets")
    forbid(world, "list", "events")
    first, lacking = await failure(world)
    assert first == JUDGED
    assert "list pods in namespace shop" in lacking


async def test_a_cluster_that_answers_nothing_but_errors_changes_no_verdict(world: MonitorWorld) -> None:
    failing(world)
    for resource in ("pods", "replicasets", "events"):
        world.cluster.faults.add(Fault(action="respond", verb="list", resource=resource, status=500, times=0))
    assert await failure(world) == [JUDGED]


async def test_what_was_seen_before_the_time_was_over_is_told(world: MonitorWorld) -> None:
    failing(world)
    world.cluster.faults.add(Fault(action="slow", verb="list", resource="events", seconds=60, times=0))
    clusters = Clusters(world.registry.current)
    lines = await Inspections(clusters, seconds=1).inspect(TARGET, {}, clock.now())
    await clusters.close()
    assert lines == (CRASH,)


async def test_a_cluster_whose_entry_forbids_it_has_no_logs_read(database: Database, tmp_path: Path) -> None:
    async with monitor_world(database, tmp_path, logs=False) as world:
        failing(world)
        assert await failure(world) == [JUDGED, CRASH]


@pytest.mark.parametrize("kind", ["flux", "helm"])
async def test_the_workloads_of_a_helm_release_are_found_by_the_marks_helm_leaves(
    world: MonitorWorld, kind: str
) -> None:
    failing(world, helm=True)
    put(world, DEPLOYMENTS, "somebody-else-s", spec={"selector": {"matchLabels": {"app": "other"}}})
    target = RolloutTarget(kind=kind, cluster=CLUSTER, namespace="shop", name="shop", timeout_seconds=60)
    assert await inspected(world, target, {}) == (CRASH, WORDS)


@pytest.mark.parametrize(
    ("kind", "owner", "status"),
    [
        ("flux", "HelmRelease", {"inventory": {"entries": [{"id": "shop_web_apps_Deployment", "v": "v1"}]}}),
        ("argocd", "Application", {"resources": [
            {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "health": {"status": "Bad"}},
        ]}),
    ],
)  # fmt: skip
async def test_the_workloads_are_those_the_reconciler_lists(
    world: MonitorWorld, kind: str, owner: str, status: dict[str, Any]
) -> None:
    failing(world)
    target = RolloutTarget(kind=kind, cluster=CLUSTER, namespace="flux-system", name="x", timeout_seconds=60)
    ref = Ref(owner, "flux-system", "x")
    told = await inspected(world, target, {ref: {"kind": owner, "status": status}})
    assert told[:2] == (CRASH, WORDS)


async def inspected(world: MonitorWorld, target: RolloutTarget, objects: dict[Ref, Any]) -> tuple[str, ...]:
    clusters = Clusters(world.registry.current)
    try:
        return await Inspections(clusters).inspect(target, objects, clock.now())
    finally:
        await clusters.close()


async def test_events_about_the_new_pods_are_asked_for_and_no_others(world: MonitorWorld) -> None:
    failing(world)
    pending = {"phase": "Pending", "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "Creating"}}}]}
    world.cluster.merge_patch_status(PODS, "shop", "web-2-a", {"status": pending})
    for pod, message in (("web-2-a", "secret missing"), ("web-1-a", "from before")):
        involved = {"kind": "Pod", "name": pod, "namespace": "shop"}
        event = {"involvedObject": involved, "reason": "FailedMount", "type": "Warning", "message": message}
        put(world, EVENTS, f"{pod}-event", **event)
    assert await failure(world) == [JUDGED, "Pod web-2-a: cannot use a volume: secret missing"]


async def test_many_failures_at_once_are_looked_at_in_turns_and_who_gets_none_says_so(world: MonitorWorld) -> None:
    failing(world)
    world.cluster.faults.add(Fault(action="slow", verb="list", resource="pods", seconds=0.6, times=0))
    clusters = Clusters(world.registry.current)

    async def looks(inspections: Inspections, count: int) -> list[tuple[str, ...]]:
        return await asyncio.gather(*(inspections.inspect(TARGET, {}, clock.now()) for _ in range(count)))

    patient = await looks(Inspections(clusters, seconds=3), 14)
    assert all(CRASH in lines for lines in patient), "waiting for a turn does not shorten the look"
    hurried = await looks(Inspections(clusters, turn_seconds=0.2), 5)
    assert [lines for lines in hurried if CRASH not in lines] == [(NOT_LOOKED_AT,)] * 3
    await clusters.close()
