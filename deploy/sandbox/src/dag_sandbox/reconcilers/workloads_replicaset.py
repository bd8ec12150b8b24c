"""The ReplicaSet controller (kubernetes/kubernetes pkg/controller/replicaset)."""

from __future__ import annotations

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import PODS, REPLICA_SETS, Object
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key
from dag_sandbox.reconcilers.workloads_objects import (
    condition,
    counts,
    create_pod,
    delete,
    is_active,
    is_ready,
    marked,
    owned,
)
from dag_sandbox.reconcilers.workloads_quota import refusal


class ReplicaSets:
    """Keeps as many pods of each ReplicaSet as it asks for."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._pace = pace

    async def reconcile(self, key: Key) -> float | None:
        """Make or delete pods, then write the counts."""
        replica_set = self._double.get(REPLICA_SETS, *key)
        wanted, pods = replica_set["spec"]["replicas"], self._pods(replica_set)
        refused = refusal(self._double, replica_set) if len(pods) < wanted else ""
        if not refused:
            for _ in range(wanted - len(pods)):
                create_pod(self._double, replica_set, {})
        for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]:
            delete(self._double, PODS, pod)
        self._write(key, replica_set, refused)
        return self._pace.retry * 40 if refused else None

    def _pods(self, replica_set: Object) -> list[Object]:
        return [pod for pod in owned(self._double, PODS, replica_set) if is_active(pod)]

    def _write(self, key: Key, replica_set: Object, refused: str) -> None:
        pods = self._pods(replica_set)
        ready = sum(is_ready(pod) for pod in pods)
        conditions = (replica_set.get("status") or {}).get("conditions") or []
        if refused or condition(replica_set, "ReplicaFailure"):
            mark = ("True", "FailedCreate", refused) if refused else None
            conditions = marked(conditions, "ReplicaFailure", mark)
        shown = {
            "replicas": len(pods),
            "observedGeneration": replica_set["metadata"]["generation"],
            "conditions": conditions or None,
        }
        shown |= counts(fullyLabeledReplicas=len(pods), readyReplicas=ready, availableReplicas=ready)
        self._double.merge_patch_status(REPLICA_SETS, *key, {"status": shown})
