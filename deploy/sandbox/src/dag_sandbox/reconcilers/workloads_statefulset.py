"""The StatefulSet controller (kubernetes/kubernetes pkg/controller/statefulset/stateful_set_control.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dag_common.errors import NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Object
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key
from dag_sandbox.reconcilers.workloads_objects import counts, create_pod, delete, is_ready, owned
from dag_sandbox.reconcilers.workloads_quota import refusal
from dag_sandbox.reconcilers.workloads_revisions import revision, revision_of


@dataclass(frozen=True, slots=True)
class Revisions:
    """Names of the revision that was rolled out last and of the one to be rolled out."""

    current: str
    update: str


class StatefulSets:
    """Replaces pods one by one from the highest number down, and waits for each to be ready."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._pace = pace

    async def reconcile(self, key: Key) -> float | None:
        """At most one pod made or deleted, then the status."""
        obj = self._double.get(STATEFUL_SETS, *key)
        update = str(revision(self._double, obj)["metadata"]["name"])
        names = Revisions((obj.get("status") or {}).get("currentRevision") or update, update)
        refused = self._step(obj, names)
        self._write(key, obj, names)
        return self._pace.retry * 40 if refused else None

    def _step(self, obj: Object, names: Revisions) -> bool:
        """Whether a pod was refused."""
        wanted, pods = int(obj["spec"].get("replicas", 1)), self._pods(obj)
        for number in sorted((number for number in pods if number >= wanted), reverse=True)[:1]:
            delete(self._double, PODS, pods[number])
            return False
        for number in range(wanted):
            if number not in pods:
                return self._create(obj, number, names)
            if not is_ready(pods[number]):
                return False
        self._replace(obj, pods, names)
        return False

    def _replace(self, obj: Object, pods: dict[int, Object], names: Revisions) -> None:
        if _strategy(obj).get("type") == "OnDelete":
            return
        for number in sorted((number for number in pods if number >= _partition(obj)), reverse=True):
            if revision_of(pods[number]) != names.update:
                delete(self._double, PODS, pods[number])
                return

    def _create(self, obj: Object, number: int, names: Revisions) -> bool:
        name = f"{obj['metadata']['name']}-{number}"
        used = names.current if number < _partition(obj) else names.update
        labels = {"controller-revision-hash": used, "statefulset.kubernetes.io/pod-name": name}
        owner = self._as_of(obj, used)
        if refusal(self._double, owner):
            return True
        create_pod(self._double, owner, labels, name=name)
        return False

    def _as_of(self, obj: Object, name: str) -> Object:
        """The object with the template of a revision."""
        try:
            held = self._double.get(CONTROLLER_REVISIONS, obj["metadata"]["namespace"], name)
        except NotFound:
            return obj
        return obj | {"spec": obj["spec"] | held["data"]["spec"]}

    def _pods(self, obj: Object) -> dict[int, Object]:
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in owned(self._double, PODS, obj)}

    def _write(self, key: Key, obj: Object, names: Revisions) -> None:
        pods, wanted = list(self._pods(obj).values()), int(obj["spec"].get("replicas", 1))
        ready = sum(is_ready(pod) for pod in pods)
        updated = sum(revision_of(pod) == names.update for pod in pods)
        current = sum(revision_of(pod) == names.current for pod in pods)
        finished = _strategy(obj).get("type") != "OnDelete" and updated == len(pods) == ready == wanted
        shown: dict[str, Any] = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": len(pods),
            "currentRevision": names.update if finished else names.current,
            "updateRevision": names.update,
            "collisionCount": 0,
        }
        shown |= counts(
            readyReplicas=ready,
            availableReplicas=ready,
            updatedReplicas=updated,
            currentReplicas=updated if finished else current,
        )
        self._double.merge_patch_status(STATEFUL_SETS, *key, {"status": shown})


def _strategy(obj: Object) -> dict[str, Any]:
    return obj["spec"].get("updateStrategy") or {}


def _partition(obj: Object) -> int:
    return int((_strategy(obj).get("rollingUpdate") or {}).get("partition") or 0)
