"""What is wrong with one pod, read from its status and from the events about it.

The reasons are those of kubernetes/kubernetes pkg/kubelet (images, container, kuberuntime, events), pkg/scheduler and
pkg/controller; what is of none of these kinds is recognised as argoproj/gitops-engine pkg/health/health_pod.go does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from dag_monitor.domain import fields
from dag_monitor.domain.conditions import conditions_of
from dag_monitor.domain.expectation import Object

_IMAGE: Final = {
    "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable",
    "ImageInspectError",
}  # fmt: skip
_CONFIG: Final = {
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun",
}  # fmt: skip
_VOLUMES: Final = {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}
_UNTOLD: Final = {"", "Error", "Completed"}
"""Reasons of ended containers that say no more than the exit code does."""


class Rank(IntEnum):
    """How much a finding tells: what stops a pod for certain comes before what may be a consequence."""

    IMAGE = 0
    CRASH = 1
    CONFIG = 2
    CREATE = 3
    UNSCHEDULABLE = 4
    VOLUME = 5
    GONE = 6
    OTHER = 7
    PROBE = 8
    RECONCILER = 9


@dataclass(frozen=True, slots=True)
class Container:
    """Whose log may tell more; `previous` asks for the run before the present one."""

    namespace: str
    pod: str
    name: str
    previous: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with `who`."""

    rank: Rank
    who: str
    what: str
    container: Container | None = None


def symptoms(pod: Object, events: Sequence[Object]) -> Iterator[Finding]:
    """Everything wrong with a pod; `events` are those about it, in any order."""
    who, status = f"Pod {fields.text(pod, 'metadata', 'name')}", fields.field(pod, "status")
    warnings = sorted(events, key=_last_seen, reverse=True)
    if fields.text(status, "phase") == "Failed" and fields.text(status, "reason"):
        what = f"ended ({fields.text(status, 'reason')}): {fields.text(status, 'message')}"
        yield Finding(Rank.GONE, who, what)
    scheduled = conditions_of(pod)["PodScheduled"]
    if scheduled.false:
        yield Finding(Rank.UNSCHEDULABLE, who, f"cannot be scheduled: {scheduled.message or scheduled.reason}")
    for event in [event for event in warnings if fields.text(event, "reason") in _VOLUMES][:1]:
        if fields.text(status, "phase") == "Pending":
            yield Finding(Rank.VOLUME, who, f"cannot use a volume: {fields.text(event, 'message')}")
    for one in (*fields.items(status, "initContainerStatuses"), *fields.items(status, "containerStatuses")):
        yield from _container(pod, who, one, warnings)


def _container(pod: Object, who: str, one: Any, warnings: Sequence[Object]) -> Iterator[Finding]:
    name, waiting = fields.text(one, "name"), fields.field(one, "state", "waiting")
    reason, message = fields.text(waiting, "reason"), fields.text(waiting, "message")
    if reason in _IMAGE:
        cause = _pull_cause(message, warnings) or reason
        yield Finding(Rank.IMAGE, who, f'cannot pull image "{fields.text(one, "image")}": {cause}')
    elif reason in _CONFIG:
        yield Finding(Rank.CONFIG, who, f'container "{name}" cannot be started: {message or "no message"} ({reason})')
    elif ended := _ended(one):
        yield _crash(pod, who, one, ended)
    elif reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
        yield Finding(Rank.OTHER, who, f'container "{name}" waits ({reason}): {message or "no message"}')
    if fields.field(one, "state", "running") is not None or _ended(one):
        yield from _probes(who, one, warnings)


def _crash(pod: Object, who: str, one: Any, ended: Any) -> Finding:
    name, restarts = fields.text(one, "name"), fields.number(one, "restartCount")
    reason, signal = fields.text(ended, "reason"), fields.number(ended, "signal")
    how = [f"exit code {fields.number(ended, 'exitCode')}"]
    how += [f"signal {signal}"] if signal else []
    how += [reason] if reason not in _UNTOLD else []
    how += [f"{restarts} restart{'' if restarts == 1 else 's'}"] if restarts else []
    looping = restarts or fields.text(one, "state", "waiting", "reason") == "CrashLoopBackOff"
    verb = "keeps crashing" if looping else "crashed"
    again = fields.field(one, "state", "running") is not None
    container = Container(
        fields.text(pod, "metadata", "namespace"), fields.text(pod, "metadata", "name"), name, previous=again
    )
    return Finding(Rank.CRASH, who, f'container "{name}" {verb} ({", ".join(how)})', container)


def _ended(one: Any) -> Any:
    """How the container ended last, if it did so badly and is not well again."""
    if fields.flag(one, "ready"):
        return None
    for state in ("state", "lastState"):
        ended = fields.field(one, state, "terminated")
        if ended is not None:
            return ended if fields.number(ended, "exitCode") else None
    return None


def _probes(who: str, one: Any, warnings: Sequence[Object]) -> Iterator[Finding]:
    """A container that runs and is not ready, and what its probes say."""
    if fields.flag(one, "ready"):
        return
    name = fields.text(one, "name")
    said = [fields.text(event, "message") for event in warnings if _is_probe(event, name)]
    if said:
        yield Finding(Rank.PROBE, who, f'container "{name}" is not well: {said[0]}')
    elif not _ended(one):
        yield Finding(Rank.PROBE, who, f'container "{name}" runs and is not ready')


def _is_probe(event: Object, container: str) -> bool:
    place = fields.text(event, "involvedObject", "fieldPath")
    return fields.text(event, "reason") == "Unhealthy" and (not place or f"{{{container}}}" in place)


def _pull_cause(message: str, warnings: Sequence[Object]) -> str:
    """`ImagePullBackOff` of older kubelets says nothing of the cause; the event of the failed pull does."""
    cause = message.partition("ErrImagePull: ")[2] or ("" if message.startswith("Back-off pulling") else message)
    pulls = (fields.text(event, "message") for event in warnings if fields.text(event, "reason") == "Failed")
    return cause or next((said for said in pulls if said.startswith("Failed to pull image")), "") or message


def _last_seen(event: Object) -> str:
    """RFC 3339 in UTC, as the API server writes it, sorts as text."""
    return (
        fields.text(event, "lastTimestamp") or fields.text(event, "eventTime") or fields.text(event, "firstTimestamp")
    )
