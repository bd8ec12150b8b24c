"""A pod's status in each state of its life (kubernetes/api core/v1 PodStatus), and the state read back from it."""

from __future__ import annotations

from typing import Any, Final

from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers.outcomes import OUT_OF_MEMORY, Outcome
from dag_sandbox.reconcilers.workloads_objects import condition, is_ready, marked
from dag_sandbox.reconcilers.workloads_symptoms import (
    COMPLETED,
    NEW,
    READY,
    RUNNING,
    TERMINATED,
    UNSCHEDULED,
    waiting_words,
    words,
)

_KILLED: Final = 137


def stage_of(pod: Object) -> str:
    """Where in its life a pod is, by nothing but its status: so a new kubelet goes on where the old one was."""
    scheduled = condition(pod, "PodScheduled")
    if not scheduled:
        return NEW
    if scheduled["status"] == "False":
        return UNSCHEDULED
    state = _container(pod).get("state") or {}
    if "waiting" in state:
        return str(state["waiting"]["reason"])
    if "terminated" in state:
        return TERMINATED if state["terminated"]["exitCode"] else COMPLETED
    return READY if is_ready(pod) else RUNNING


def status(pod: Object, stage: str, ailment: str, outcome: Outcome) -> dict[str, Any]:
    """The whole status in a state."""
    fresh: dict[str, Any] = {"qosClass": "BestEffort", "phase": _phase(pod, stage)}
    if stage == UNSCHEDULED:
        unscheduled = ("False", "Unschedulable", words(ailment, pod, outcome))
        return fresh | {"conditions": marked([], "PodScheduled", unscheduled)}
    container = _container_status(pod, stage, ailment, outcome)
    started = (pod.get("status") or {}).get("startTime") or timestamp()
    return fresh | {
        "startTime": started,
        "conditions": _conditions(pod, stage),
        "containerStatuses": [container],
    }


def _phase(pod: Object, stage: str) -> str:
    if stage == COMPLETED:
        return "Succeeded"
    if stage == TERMINATED and pod["spec"].get("restartPolicy") == "Never":
        return "Failed"
    ran = stage in (RUNNING, READY, TERMINATED, "CrashLoopBackOff")
    return "Running" if ran else "Pending"


def _conditions(pod: Object, stage: str) -> list[dict[str, Any]]:
    found = (pod.get("status") or {}).get("conditions") or []
    names = [one["name"] for one in pod["spec"]["containers"]]
    unready = ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(names)}]")
    ready = ("True", "", "") if stage == READY else unready
    marks = {
        "Initialized": ("True", "", ""),
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": ("True", "", ""),
    }
    for type_, mark in marks.items():
        found = marked(found, type_, mark)
    return [{key: value for key, value in one.items() if value and key != "lastUpdateTime"} for one in found]


def _container(pod: Object) -> dict[str, Any]:
    listed = (pod.get("status") or {}).get("containerStatuses") or [{}]
    first: dict[str, Any] = listed[0]
    return first


def _container_status(pod: Object, stage: str, ailment: str, outcome: Outcome) -> dict[str, Any]:
    described, before = pod["spec"]["containers"][0], _container(pod)
    ended = (before.get("state") or {}).get("terminated")
    again = stage == RUNNING and "waiting" in (before.get("state") or {}) and bool(before.get("lastState"))
    return {
        "name": described["name"],
        "image": described["image"],
        "ready": stage == READY,
        "started": stage in (RUNNING, READY),
        "restartCount": before.get("restartCount", 0) + again,
        "state": _state(pod, stage, ailment, outcome),
        "lastState": {"terminated": ended} if ended else before.get("lastState") or {},
    }


def _state(pod: Object, stage: str, ailment: str, outcome: Outcome) -> dict[str, Any]:
    running = (_container(pod).get("state") or {}).get("running") or {"startedAt": timestamp()}
    if stage in (RUNNING, READY):
        return {"running": running}
    if stage in (TERMINATED, COMPLETED):
        code = 0 if stage == COMPLETED else _KILLED if ailment == OUT_OF_MEMORY else 1
        reason = {0: "Completed", _KILLED: "OOMKilled"}.get(code, "Error")
        return {"terminated": {"exitCode": code, "reason": reason, **running, "finishedAt": timestamp()}}
    message = waiting_words(stage, ailment, pod, outcome)
    return {"waiting": {"reason": stage, **({"message": message} if message else {})}}
