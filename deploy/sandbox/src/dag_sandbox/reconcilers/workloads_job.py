"""The Job controller (kubernetes/kubernetes pkg/controller/job): an end is announced, then told."""

from __future__ import annotations

from typing import Any, Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import JOBS, PODS, Object
from dag_sandbox.reconcilers.manifests import FATE
from dag_sandbox.reconcilers.outcomes import RETRY_THEN_SUCCEED, Outcome
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key
from dag_sandbox.reconcilers.workloads_objects import condition, counts, create_pod, is_active, is_ready, marked, owned
from dag_sandbox.reconcilers.workloads_quota import fate_of, refusal

_SUCCEEDED: Final = ("True", "CompletionsReached", "Reached expected number of succeeded pods")
_FAILED: Final = ("True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_SUSPENDED: Final = ("True", "JobSuspended", "Job suspended")
_RESUMED: Final = ("False", "JobResumed", "Job resumed")
# Since 1.31 the controller announces an end by the first condition and tells it by the second, when all pods are done.
_ENDS: Final = {"SuccessCriteriaMet": ("Complete", _SUCCEEDED), "FailureTarget": ("Failed", _FAILED)}


class Jobs:
    """Runs one pod at a time until one succeeds or more than `backoffLimit` failed."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._pace = pace

    async def reconcile(self, key: Key) -> float | None:
        """One sync: begin, make a pod, announce the end or tell it."""
        obj = self._double.get(JOBS, *key)
        if condition(obj, "Complete") or condition(obj, "Failed"):
            return None
        if obj["spec"].get("suspend"):
            self._mark(key, obj, {"Suspended": _SUSPENDED}, {})
            return None
        if not (obj.get("status") or {}).get("startTime"):
            resumed = {"Suspended": _RESUMED} if condition(obj, "Suspended") else {}
            self._mark(key, obj, resumed, {"startTime": timestamp(), "uncountedTerminatedPods": {}})
        return self._sync(key, self._double.get(JOBS, *key))

    def _sync(self, key: Key, obj: Object) -> float | None:
        for announced, (ended, mark) in _ENDS.items():
            if condition(obj, announced):
                done = {"completionTime": timestamp()} if ended == "Complete" else {}
                self._mark(key, obj, {ended: mark}, done)
                return None
        succeeded, failed, active = self._numbers(obj)
        if succeeded:
            return self._announce(key, obj, "SuccessCriteriaMet", _SUCCEEDED)
        if failed > obj["spec"].get("backoffLimit", 6):
            return self._announce(key, obj, "FailureTarget", _FAILED)
        if not active:
            return self._begin_pod(key, obj, failed)
        self._mark(key, obj, {}, self._counts(obj))
        return None

    def _announce(self, key: Key, obj: Object, type_: str, mark: tuple[str, str, str]) -> float:
        self._mark(key, obj, {type_: mark}, self._counts(obj))
        return 0.0

    def _begin_pod(self, key: Key, obj: Object, failed: int) -> float | None:
        self._mark(key, obj, {}, self._counts(obj))
        counted = (obj.get("status") or {}).get("failed") or 0
        if failed and counted < failed:
            return self._pace.retry * (1 << min(failed - 1, 6))
        if refusal(self._double, obj):
            return self._pace.retry * 40
        fate = fate_of(obj)
        if fate.outcome == RETRY_THEN_SUCCEED and failed:
            fate = Outcome()
        name = obj["metadata"]["name"]
        labels = {"batch.kubernetes.io/job-name": name, "job-name": name}
        create_pod(self._double, obj, labels, annotations={FATE: fate.written()})
        self._mark(key, self._double.get(JOBS, *key), {}, self._counts(obj))
        return None

    def _numbers(self, obj: Object) -> tuple[int, int, int]:
        pods = owned(self._double, PODS, obj)
        phases = [(pod.get("status") or {}).get("phase") for pod in pods]
        return phases.count("Succeeded"), phases.count("Failed"), sum(is_active(pod) for pod in pods)

    def _counts(self, obj: Object) -> dict[str, Any]:
        succeeded, failed, active = self._numbers(obj)
        ready = sum(is_ready(pod) for pod in owned(self._double, PODS, obj))
        return {**counts(succeeded=succeeded, failed=failed, active=active), "ready": ready}

    def _mark(self, key: Key, obj: Object, marks: dict[str, tuple[str, str, str]], fields: dict[str, Any]) -> None:
        conditions = (obj.get("status") or {}).get("conditions") or []
        for type_, mark in marks.items():
            conditions = marked(conditions, type_, mark)
        told = {"conditions": conditions} if conditions else {}
        self._double.merge_patch_status(JOBS, *key, {"status": {**told, **fields}})
