"""A stand-in for Kubernetes' own controllers: Deployments, StatefulSets, DaemonSets, Jobs and their pods, in memory.

async with WorkloadControllers(double):
    double.create(DEPLOYMENTS, ...)

A pod template says by the annotation `dag-sandbox/outcome` how its pods go (see `outcomes`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final, Protocol

from dag_common.errors import NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Object,
    Resource,
)
from dag_sandbox.reconcilers.controller import Controller
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key, WorkQueue
from dag_sandbox.reconcilers.workloads_daemonset import DaemonSets
from dag_sandbox.reconcilers.workloads_deployment import Deployments
from dag_sandbox.reconcilers.workloads_job import Jobs
from dag_sandbox.reconcilers.workloads_kubelet import Pods
from dag_sandbox.reconcilers.workloads_objects import delete, owned, owner_of
from dag_sandbox.reconcilers.workloads_replicaset import ReplicaSets
from dag_sandbox.reconcilers.workloads_statefulset import StatefulSets

__all__ = ["Pace", "WorkloadControllers"]

_OWNERS: Final = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, JOBS)
_OWNED: Final = (REPLICA_SETS, CONTROLLER_REVISIONS, PODS)
_BY_KIND: Final = {resource.kind: resource for resource in _OWNERS}
_STANDARD_PACE: Final = Pace()


class Reconciler(Protocol):
    """Brings one kind of object on its way."""

    async def reconcile(self, key: Key) -> float | None:
        """One look at one object; after how many seconds the next one is due."""


class WorkloadControllers(Controller):
    """Runs the controllers while entered; entering again is a controller manager restarted, also in mid-work.

    Known limits: a deleted pod is gone at once, nothing else in a namespace counts for quotas, there are three nodes.
    """

    def __init__(self, double: ClusterDouble, *, pace: Pace = _STANDARD_PACE) -> None:
        self._double = double
        self._pace = pace

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            queues = self._queues(tasks)
            since = self._double.history.head
            for resource, queue in queues.items():
                for obj in self._double.list(resource):
                    queue.wake(_key(obj))
            async for change in self._double.subscribe(*_OWNERS, PODS, since=since):
                self._collect(change)
                for resource, key in _concerned(change):
                    queues[resource].wake(key)

    def _queues(self, tasks: asyncio.TaskGroup) -> dict[Resource, WorkQueue]:
        controllers: dict[Resource, Reconciler] = {
            DEPLOYMENTS: Deployments(self._double, self._pace),
            REPLICA_SETS: ReplicaSets(self._double, self._pace),
            STATEFUL_SETS: StatefulSets(self._double, self._pace),
            DAEMON_SETS: DaemonSets(self._double, self._pace),
            JOBS: Jobs(self._double, self._pace),
            PODS: Pods(self._double, self._pace),
        }
        return {one: WorkQueue(tasks, one.kind, controller.reconcile) for one, controller in controllers.items()}

    def _collect(self, change: Change) -> None:
        """What a deleted object controlled goes with it."""
        if change.type != "DELETED" or change.resource not in _OWNERS:
            return
        for resource in _OWNED:
            for obj in owned(self._double, resource, change.object):
                with contextlib.suppress(NotFound):
                    delete(self._double, resource, obj)


def _concerned(change: Change) -> Iterator[tuple[Resource, Key]]:
    """Who has to look: the controller of an object whose spec changed, the kubelet for a new pod, and the owner."""
    before, after = change.before, change.object
    fresh = before is None or (change.resource != PODS and _generation(before) != _generation(after))
    if fresh and change.type != "DELETED":
        yield change.resource, change.key
    owner = owner_of(after)
    if owner and owner["kind"] in _BY_KIND:
        yield _BY_KIND[owner["kind"]], (change.key[0], owner["name"])


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _generation(obj: Object) -> int:
    return int(obj["metadata"]["generation"])
