"""The DaemonSet controller (kubernetes/kubernetes pkg/controller/daemon: daemon_controller.go, update.go)."""

from __future__ import annotations

from typing import Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DAEMON_SETS, PODS, Object
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key
from dag_sandbox.reconcilers.workloads_objects import counts, create_pod, delete, is_ready, owned
from dag_sandbox.reconcilers.workloads_quota import refusal
from dag_sandbox.reconcilers.workloads_revisions import LABEL, revision, revision_of

NODES: Final = ("node-1", "node-2", "node-3")
_NODE: Final = "dag-sandbox/node"


class DaemonSets:
    """Keeps a pod on every node, and replaces one at a time."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._pace = pace

    async def reconcile(self, key: Key) -> float | None:
        """Fill empty nodes, or take one old pod away; then the status."""
        obj = self._double.get(DAEMON_SETS, *key)
        wanted = str(revision(self._double, obj)["metadata"]["labels"][LABEL])
        pods = self._pods(obj)
        empty = [node for node in NODES if node not in pods]
        refused = bool(empty) and bool(refusal(self._double, obj))
        for node in [] if refused else empty:
            create_pod(self._double, obj, {LABEL: wanted, _NODE: node})
        if not empty and (obj["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
            self._replace(pods, wanted)
        self._write(key, obj, wanted)
        return self._pace.retry * 40 if refused else None

    def _replace(self, pods: dict[str, Object], wanted: str) -> None:
        """An old pod that serves nobody goes at once; one that serves only while all the others do."""
        old = [pod for pod in pods.values() if revision_of(pod) != wanted]
        broken = [pod for pod in old if not is_ready(pod)]
        for pod in broken:
            delete(self._double, PODS, pod)
        if old and not broken and all(is_ready(pod) for pod in pods.values()):
            delete(self._double, PODS, old[0])

    def _pods(self, obj: Object) -> dict[str, Object]:
        return {pod["metadata"]["labels"][_NODE]: pod for pod in owned(self._double, PODS, obj)}

    def _write(self, key: Key, obj: Object, wanted: str) -> None:
        pods = list(self._pods(obj).values())
        ready = sum(is_ready(pod) for pod in pods)
        updated = sum(revision_of(pod) == wanted for pod in pods)
        shown = {
            "observedGeneration": obj["metadata"]["generation"],
            "desiredNumberScheduled": len(NODES),
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "numberReady": ready,
        }
        shown_counts = counts(
            updatedNumberScheduled=updated, numberAvailable=ready, numberUnavailable=len(NODES) - ready
        )
        self._double.merge_patch_status(DAEMON_SETS, *key, {"status": {**shown, **shown_counts}})
