"""The scheduler and the kubelet: they lead each pod through the life that its template's fate gives it."""

from __future__ import annotations

from dag_common.errors import NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Object
from dag_sandbox.reconcilers import workloads_events, workloads_symptoms
from dag_sandbox.reconcilers.manifests import FATE
from dag_sandbox.reconcilers.outcomes import RETRY_THEN_SUCCEED, Outcome, outcome_written
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key
from dag_sandbox.reconcilers.workloads_objects import condition, owner_of
from dag_sandbox.reconcilers.workloads_pod_status import stage_of, status
from dag_sandbox.reconcilers.workloads_symptoms import COMPLETED, CREATING, READY, RUNNING, TERMINATED, next_stage

_PATIENCE = 3
_DOUBLED_AT_MOST = 8


class Pods:
    """Every pod of the double, one step at a time; a pod that suffers is looked at later and later."""

    def __init__(self, double: ClusterDouble, pace: Pace) -> None:
        self._double = double
        self._pace = pace
        self._suffered: dict[str, int] = {}

    async def reconcile(self, key: Key) -> float | None:
        """One step of a pod's life; after how many seconds the next one comes."""
        pod = self._double.get(PODS, *key)
        outcome = _fate(pod)
        ailment, stage = self._ailment(pod, outcome), stage_of(pod)
        if stage in (READY, COMPLETED) or (stage == TERMINATED and _policy(pod) == "Never"):
            return None
        following = self._following(pod, ailment, stage)
        self._double.merge_patch_status(PODS, *key, {"status": status(pod, following, ailment, outcome)})
        self._leave_traces(key, following, ailment, outcome)
        suffers = bool(ailment) and (following == stage or following not in (CREATING, RUNNING))
        return self._pause(pod["metadata"]["uid"]) if suffers else self._pace.pod

    def _following(self, pod: Object, ailment: str, stage: str) -> str:
        following = next_stage(ailment, stage)
        return COMPLETED if _policy(pod) != "Always" and following == READY else following

    def _ailment(self, pod: Object, outcome: Outcome) -> str:
        """A retry helps once the first rollout was given up, or where nothing is ever given up, after some time."""
        if outcome.outcome == RETRY_THEN_SUCCEED and self._is_over(pod):
            return ""
        return outcome.ailment

    def _is_over(self, pod: Object) -> bool:
        owner, namespace = owner_of(pod) or {}, pod["metadata"]["namespace"]
        if owner.get("kind") != "ReplicaSet":
            return self._suffered.get(pod["metadata"]["uid"], 0) >= _PATIENCE
        try:
            replica_set = self._double.get(REPLICA_SETS, namespace, owner["name"])
            rollout = self._double.get(DEPLOYMENTS, namespace, (owner_of(replica_set) or {}).get("name", ""))
        except NotFound:
            return False
        healed = bool((replica_set.get("status") or {}).get("readyReplicas"))
        return healed or condition(rollout, "Progressing").get("reason") == "ProgressDeadlineExceeded"

    def _leave_traces(self, key: Key, stage: str, ailment: str, outcome: Outcome) -> None:
        pod = self._double.get(PODS, *key)
        told_in, reason, source = workloads_symptoms.EVENTS.get(ailment, ("", "", ""))
        if stage == RUNNING:
            ends = f"{workloads_symptoms.words(ailment, pod, outcome)}\n" if ailment else ""
            self._double.logs.begin(pod, pod["spec"]["containers"][0]["name"], f"starting\n{ends}")
        if stage == told_in:
            words = workloads_symptoms.words(ailment, pod, outcome)
            crash = f"Back-off restarting failed container {pod['spec']['containers'][0]['name']} in pod {key[1]}"
            message = crash if reason == "BackOff" else words
            workloads_events.tell(self._double, pod, reason, message, source=source)

    def _pause(self, uid: str) -> float:
        self._suffered[uid] = self._suffered.get(uid, 0) + 1
        return self._pace.retry * (1 << min(self._suffered[uid] - 1, _DOUBLED_AT_MOST))


def _fate(pod: Object) -> Outcome:
    return outcome_written((pod["metadata"].get("annotations") or {}).get(FATE, ""))


def _policy(pod: Object) -> str:
    return str(pod["spec"].get("restartPolicy", "Always"))
