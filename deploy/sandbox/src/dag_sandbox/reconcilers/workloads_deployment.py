"""The Deployment controller (kubernetes/kubernetes pkg/controller/deployment: rolling.go, sync.go, util)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, REPLICA_SETS, Object
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key
from dag_sandbox.reconcilers.workloads_objects import delete, hash_of, marked, owned, reference, share
from dag_sandbox.reconcilers.workloads_progress import Progress, has_deadline

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A Deployment with its ReplicaSets: the one of its present template, and the older ones."""

    obj: Object
    new: Object | None
    old: tuple[Object, ...]

    @property
    def sets(self) -> tuple[Object, ...]:
        """All of them."""
        return (*self.old, self.new) if self.new else self.old

    @property
    def replicas(self) -> int:
        """How many pods are wanted in the end."""
        return int(self.obj["spec"].get("replicas", 1))

    def limit(self, name: str, *, up: bool) -> int:
        """`maxSurge` or `maxUnavailable` in pods."""
        rolling = (self.obj["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        return share(rolling.get(name, "25%"), self.replicas, up=up)

    @property
    def recreates(self) -> bool:
        """Whether all old pods go before new ones come."""
        return bool((self.obj["spec"].get("strategy") or {}).get("type") == "Recreate")

    @property
    def least(self) -> int:
        """How many pods have to serve at any time."""
        return 0 if self.recreates else self.replicas - self.limit("maxUnavailable", up=False)

    @property
    def free(self) -> int:
        """How many pods may go, counting on none of the new ones that do not serve."""
        wanted = sum(one["spec"]["replicas"] for one in self.sets)
        broken = self.new["spec"]["replicas"] - status(self.new, "availableReplicas") if self.new else 0
        return int(wanted - self.least - broken)

    @property
    def room(self) -> int:
        """How many pods of the new template may be wanted now."""
        held = sum(one["spec"]["replicas"] for one in self.old)
        if self.recreates:
            return 0 if any(status(one, "replicas") for one in self.old) or held else self.replicas
        mine = int(self.new["spec"]["replicas"]) if self.new else 0
        most = self.replicas + self.limit("maxSurge", up=True) - int(held)
        return max(mine if mine <= self.replicas else 0, min(self.replicas, most))


def status(obj: Object, name: str) -> int:
    """A count of a status."""
    return int((obj.get("status") or {}).get(name) or 0)


class Deployments:
    """Rolls Deployments out by scaling ReplicaSets; every sync ends with a write of the status."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._progress = Progress(double, pace)

    async def reconcile(self, key: Key) -> float | None:
        """One sync: at most one scaling, then the status."""
        rollout = self._read(key)
        if not rollout.obj["spec"].get("paused"):
            if rollout.new is None:
                self._create_set(rollout)
            else:
                self._mark_revision(rollout, rollout.new)
                _ = self._scale_up(rollout) or self._scale_down(rollout)
        rollout = self._read(key)
        again = self._progress.write(rollout.obj, rollout.sets, rollout.new, rollout.limit("maxUnavailable", up=False))
        self._forget_old(rollout)
        return again

    def _read(self, key: Key) -> Rollout:
        obj = self._double.get(DEPLOYMENTS, *key)
        wanted = hash_of(obj["spec"]["template"])
        sets = owned(self._double, REPLICA_SETS, obj)
        new = next((one for one in sets if one["metadata"]["labels"].get(HASH) == wanted), None)
        return Rollout(obj, new, tuple(one for one in sets if one is not new))

    def _create_set(self, rollout: Rollout) -> None:
        """A ReplicaSet for a new template; its creation is told before the new generation counts as observed."""
        obj, template = rollout.obj, copy.deepcopy(rollout.obj["spec"]["template"])
        mark = {HASH: hash_of(template)}
        template["metadata"] = {**template.get("metadata", {}), "labels": {**_labels(template), **mark}}
        name, revision = f"{obj['metadata']['name']}-{mark[HASH]}", str(_newest(rollout) + 1)
        metadata = {
            "name": name,
            "namespace": obj["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {REVISION: revision},
            "ownerReferences": [reference(obj)],
        }
        selector = {"matchLabels": {**(obj["spec"].get("selector") or {}).get("matchLabels", {}), **mark}}
        spec = {"replicas": rollout.room, "selector": selector, "template": template}
        self._double.create(REPLICA_SETS, {"metadata": metadata, "spec": spec})
        self._annotate(DEPLOYMENTS, obj, revision)
        if has_deadline(obj):
            created = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
            conditions = marked((obj.get("status") or {}).get("conditions") or [], "Progressing", created)
            key = obj["metadata"]["namespace"], obj["metadata"]["name"]
            self._double.merge_patch_status(DEPLOYMENTS, *key, {"status": {"conditions": conditions}})

    def _mark_revision(self, rollout: Rollout, new: Object) -> None:
        """A template that comes back gets the newest number again."""
        before = _newest(Rollout(rollout.obj, None, rollout.old))
        revision = str(max(before + 1, _revision(new))) if _revision(new) <= before else str(_revision(new))
        self._annotate(REPLICA_SETS, new, revision)
        self._annotate(DEPLOYMENTS, rollout.obj, revision)

    def _annotate(self, resource: Any, obj: Object, revision: str) -> None:
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        self._double.merge_patch(resource, namespace, name, {"metadata": {"annotations": {REVISION: revision}}})

    def _scale_up(self, rollout: Rollout) -> bool:
        new = rollout.new
        if new is None or new["spec"]["replicas"] == rollout.room:
            return False
        self._scale(new, rollout.room)
        return True

    def _scale_down(self, rollout: Rollout) -> bool:
        """Old pods that serve nobody go first, then as many as the new ones can stand in for."""
        spare = sum(status(one, "availableReplicas") for one in rollout.sets) - rollout.least
        for serving in (False, True):
            for one in rollout.old:
                held, available = one["spec"]["replicas"], status(one, "availableReplicas")
                gone = min(rollout.free, min(held, spare) if serving else held - available)
                if gone > 0:
                    self._scale(one, held - gone)
                    return True
        return False

    def _scale(self, one: Object, replicas: int) -> None:
        namespace, name = one["metadata"]["namespace"], one["metadata"]["name"]
        self._double.merge_patch(REPLICA_SETS, namespace, name, {"spec": {"replicas": replicas}})

    def _forget_old(self, rollout: Rollout) -> None:
        idle = [one for one in rollout.old if not one["spec"]["replicas"] and not status(one, "replicas")]
        keep = int(rollout.obj["spec"].get("revisionHistoryLimit", 10))
        for one in sorted(idle, key=_revision)[: max(0, len(idle) - keep)]:
            delete(self._double, REPLICA_SETS, one)


def _labels(template: Object) -> dict[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}


def _revision(one: Object) -> int:
    return int((one["metadata"].get("annotations") or {}).get(REVISION, 0))


def _newest(rollout: Rollout) -> int:
    return max((_revision(one) for one in rollout.sets), default=0)
