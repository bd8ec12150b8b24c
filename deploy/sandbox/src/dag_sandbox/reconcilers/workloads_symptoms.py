"""What pods suffer from: the states each ailment leads through, and the words Kubernetes has for it.

The words are those of kubernetes/kubernetes pkg/kubelet (images, container, kuberuntime, prober), of its scheduler and
of its quota admission; a chart's `sandbox.reason` takes their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers.outcomes import (
    CONFIG_ERROR,
    CRASH_LOOP,
    IMAGE_PULL,
    NOT_READY,
    OUT_OF_MEMORY,
    QUOTA,
    UNSCHEDULABLE,
    VOLUME,
    Outcome,
)

NEW: Final = "new"
UNSCHEDULED: Final = "unscheduled"
CREATING: Final = "ContainerCreating"
RUNNING: Final = "running"
READY: Final = "ready"
TERMINATED: Final = "terminated"
COMPLETED: Final = "completed"

_CRASHING: Final = {
    NEW: CREATING, CREATING: RUNNING, RUNNING: TERMINATED, TERMINATED: "CrashLoopBackOff", "CrashLoopBackOff": RUNNING,
}  # fmt: skip
LIVES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {NEW: CREATING, UNSCHEDULED: CREATING, RUNNING: READY},
    IMAGE_PULL: {
        NEW: CREATING, CREATING: "ErrImagePull", "ErrImagePull": "ImagePullBackOff", "ImagePullBackOff": "ErrImagePull",
    },
    CRASH_LOOP: _CRASHING,
    OUT_OF_MEMORY: _CRASHING,
    CONFIG_ERROR: {NEW: CREATING, CREATING: "CreateContainerConfigError"},
    UNSCHEDULABLE: {NEW: UNSCHEDULED},
    NOT_READY: {NEW: CREATING, CREATING: RUNNING},
    VOLUME: {NEW: CREATING},
}  # fmt: skip
"""What follows what, by ailment. A healthy container that is in any other state starts; a sick one stays in it."""

EVENTS: Final[Mapping[str, tuple[str, str, str]]] = {
    IMAGE_PULL: ("ErrImagePull", "Failed", "kubelet"),
    CRASH_LOOP: ("CrashLoopBackOff", "BackOff", "kubelet"),
    OUT_OF_MEMORY: ("CrashLoopBackOff", "BackOff", "kubelet"),
    CONFIG_ERROR: ("CreateContainerConfigError", "Failed", "kubelet"),
    UNSCHEDULABLE: (UNSCHEDULED, "FailedScheduling", "default-scheduler"),
    NOT_READY: (RUNNING, "Unhealthy", "kubelet"),
    VOLUME: (CREATING, "FailedMount", "kubelet"),
}
"""In which state an ailment is told of by an event, with which reason and by whom."""


def next_stage(ailment: str, stage: str) -> str:
    """Where a pod's container goes from a state; the same one if it stays there."""
    known = LIVES[ailment].get(stage)
    if known is not None:
        return known
    return stage if ailment or stage in (READY, COMPLETED) else RUNNING


def words(ailment: str, pod: Object, outcome: Outcome) -> str:
    """What is wrong, as the kubelet, the scheduler or the quota says it."""
    container = pod["spec"]["containers"][0]
    image, name = container["image"], pod["metadata"]["name"]
    usual = {
        IMAGE_PULL: f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
        f"{image}: not found",
        CRASH_LOOP: "panic: no connection to the database",
        OUT_OF_MEMORY: "loading everything into memory",
        CONFIG_ERROR: f'configmap "{container["name"]}-config" not found',
        UNSCHEDULABLE: "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: "
        "3 No preemption victims found for incoming pods.",
        NOT_READY: "HTTP probe failed with statuscode: 503",
        VOLUME: f'MountVolume.SetUp failed for volume "data" : secret "{container["name"]}-data" not found',
        QUOTA: "exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2",
    }
    said = outcome.reason or usual[ailment]
    framed = {NOT_READY: f"Readiness probe failed: {said}", QUOTA: f'pods "{name}" is forbidden: {said}'}
    return framed.get(ailment, said)


def waiting_words(stage: str, ailment: str, pod: Object, outcome: Outcome) -> str:
    """The message beside a container's `waiting.reason`; none while it is being created."""
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]
    if stage == "CrashLoopBackOff":
        place = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        return f"back-off 10s restarting failed container={container['name']} pod={place}"
    if stage == "ImagePullBackOff":
        return f'Back-off pulling image "{container["image"]}": ErrImagePull: {words(ailment, pod, outcome)}'
    return words(ailment, pod, outcome) if ailment and stage != CREATING else ""
