"""A Deployment's status: its counts, and whether it gets anywhere (pkg/controller/deployment/progress.go)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dag_common.runtime import clock
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, Object
from dag_sandbox.reconcilers.manifests import NO_DEADLINE
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.workloads_objects import condition, counts, marked

Mark = tuple[str, str, str]


class Progress:
    """Writes statuses, and remembers since when each rollout stands still."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._pace = pace
        self._moved: dict[tuple[str, int], float] = {}

    def write(self, obj: Object, sets: Sequence[Object], new: Object | None, unavailable: int) -> float | None:
        """One write of the status; after how many seconds the deadline is to be looked at."""
        after = _counted(obj, sets, new)
        conditions = (obj.get("status") or {}).get("conditions") or []
        conditions = marked(conditions, "Available", _available(obj, after, unavailable))
        progress = self._progress(obj, after, new)
        if progress or not has_deadline(obj):
            conditions = marked(conditions, "Progressing", progress)
        conditions = marked(conditions, "ReplicaFailure", _failure(sets, new))
        numbers = {key: value for key, value in after.items() if key != "observedGeneration"}
        shown = {"observedGeneration": after["observedGeneration"], "conditions": conditions} | counts(**numbers)
        metadata = obj["metadata"]
        written = self._double.merge_patch_status(
            DEPLOYMENTS, metadata["namespace"], metadata["name"], {"status": shown}
        )
        return self._left(written)

    def _progress(self, obj: Object, after: dict[str, int], new: Object | None) -> Mark | None:
        """The condition as it has to become; None leaves it as it is."""
        before = obj.get("status") or {}
        held = condition(obj, "Progressing")
        name = new["metadata"]["name"] if new else obj["metadata"]["name"]
        rests = after["replicas"] == after["updatedReplicas"] and held.get("reason") == "NewReplicaSetAvailable"
        if not has_deadline(obj) or rests:
            return None
        if obj["spec"].get("paused"):
            return ("Unknown", "DeploymentPaused", "Deployment is paused")
        if _complete(obj, after):
            return ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
        if _moves(before, after):
            self._moved[obj["metadata"]["uid"], obj["metadata"]["generation"]] = clock.monotonic()
            return ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        if held and held["reason"] != "NewReplicaSetAvailable" and self._is_late(obj, held):
            return ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
        return None

    def _is_late(self, obj: Object, held: dict[str, Any]) -> bool:
        if held["reason"] == "ProgressDeadlineExceeded":
            return True
        return clock.monotonic() - self._since(obj, held) >= self._deadline(obj)

    def _left(self, obj: Object) -> float | None:
        held = condition(obj, "Progressing")
        if held.get("reason") not in ("NewReplicaSetCreated", "ReplicaSetUpdated", "FoundNewReplicaSet"):
            return None
        return max(0.01, self._since(obj, held) + self._deadline(obj) - clock.monotonic())

    def _since(self, obj: Object, held: dict[str, Any]) -> float:
        """When it moved last: remembered, or else read off the condition, whose times are whole seconds."""
        spec = obj["metadata"]["uid"], obj["metadata"]["generation"]
        if spec not in self._moved:
            age = (clock.now() - datetime.fromisoformat(held["lastUpdateTime"])).total_seconds()
            self._moved[spec] = clock.monotonic() - max(0.0, age - 1)
        return self._moved[spec]

    def _deadline(self, obj: Object) -> float:
        own = float(obj["spec"].get("progressDeadlineSeconds", 600))
        return own if self._pace.deadline is None else self._pace.deadline


def has_deadline(obj: Object) -> bool:
    """Whether standing still ever counts as a failure."""
    return bool(obj["spec"].get("progressDeadlineSeconds", 600) != NO_DEADLINE)


def _counted(obj: Object, sets: Sequence[Object], new: Object | None) -> dict[str, int]:
    def total(name: str) -> int:
        return sum(int((one.get("status") or {}).get(name) or 0) for one in sets)

    wanted = sum(one["spec"]["replicas"] for one in sets)
    return {
        "observedGeneration": obj["metadata"]["generation"],
        "replicas": total("replicas"),
        "updatedReplicas": int(((new or {}).get("status") or {}).get("replicas") or 0),
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, wanted - total("availableReplicas")),
    }


def _complete(obj: Object, after: dict[str, int]) -> bool:
    wanted = obj["spec"].get("replicas", 1)
    return all(after[name] == wanted for name in ("updatedReplicas", "replicas", "availableReplicas"))


def _moves(before: dict[str, Any], after: dict[str, int]) -> bool:
    def was(name: str) -> int:
        return int(before.get(name) or 0)

    fewer_old = after["replicas"] - after["updatedReplicas"] < was("replicas") - was("updatedReplicas")
    more = (after[name] > was(name) for name in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return fewer_old or any(more)


def _available(obj: Object, after: dict[str, int], unavailable: int) -> Mark:
    if after["availableReplicas"] >= obj["spec"].get("replicas", 1) - unavailable:
        return ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def _failure(sets: Sequence[Object], new: Object | None) -> Mark | None:
    """What the newest ReplicaSet that cannot make pods says."""
    for one in ([new] if new else []) + [other for other in sets if other is not new]:
        held = condition(one, "ReplicaFailure")
        if held:
            return (held["status"], held["reason"], held["message"])
    return None
