"""Helm's release secrets, read into values (helm/helm pkg/storage/driver/secrets.go and pkg/release/v1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Object, Objects, Ref

_TYPE: Final = "helm.sh/release.v1"


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a Helm release; not `readable` if only its labels are known, with `trouble` if that may stay so.

    `state` names the state of the secret that this is. `released_at` is when Helm began with this version.
    """

    ref: Ref
    number: int
    readable: bool
    state: str
    status: str
    released_at: datetime | None = None
    trouble: str = ""
    chart_name: str = ""
    chart_version: str = ""
    description: str = ""
    rollback: bool = False
    workloads: tuple[Ref, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether Helm is at work, or was killed while it was."""
        return at_work(self.status)


def state_of(obj: Object) -> str:
    """Names one state of one object."""
    return "/".join(fields.text(obj, "metadata", part) for part in ("uid", "resourceVersion"))


def at_work(status: str) -> bool:
    """Whether a version with this status is one that Helm has not finished."""
    return status.startswith("pending-") or status == "uninstalling"


def number_of(secret: Object) -> int:
    """The version that a release secret is labelled with; 0 for none."""
    labelled = fields.text(secret, "metadata", "labels", "version")
    return int(labelled) if labelled.isascii() and labelled.isdigit() and len(labelled) < 10 else 0  # noqa: PLR2004  an int32


def releases(objects: Objects, target: RolloutTarget) -> tuple[Release, ...]:
    """All versions of the target's release, the newest first. Labels say what to look at, never what is true."""
    mine = (_release(ref, obj) for ref, obj in objects.items() if _is_mine(ref, obj, target))
    return tuple(sorted((one for one in mine if one.number > 0), key=lambda one: one.number, reverse=True))


def _is_mine(ref: Ref, obj: Object, target: RolloutTarget) -> bool:
    named = fields.text(obj, "metadata", "labels", "name") == target.name
    helms = fields.text(obj, "metadata", "labels", "owner") == "helm" and fields.text(obj, "type") in ("", _TYPE)
    return (ref.kind, ref.namespace) == ("Secret", target.namespace) and named and helms


def _release(ref: Ref, obj: Object) -> Release:
    number, payload = number_of(obj), fields.field(obj, "release")
    named = (fields.text(payload, "name"), fields.number(payload, "version"))
    if not isinstance(payload, Mapping) or named != (fields.text(obj, "metadata", "labels", "name"), number):
        status = fields.text(obj, "metadata", "labels", "status")
        trouble = "its labels and its content contradict each other" if payload else fields.text(obj, "trouble")
        return Release(ref, number, readable=False, state=state_of(obj), status=status, trouble=trouble)
    return _readable(ref, number, obj, payload)


def _readable(ref: Ref, number: int, obj: Object, payload: Any) -> Release:
    description, status = fields.text(payload, "info", "description"), fields.text(payload, "info", "status")
    marked = fields.number(payload, "info", "rollback_revision") > 0 or description.startswith("Rollback to")
    # The API server's clock stamps the secret when Helm begins; Helm's own time is that of whatever machine ran it.
    begun = fields.instant(obj, "metadata", "creationTimestamp") or fields.instant(payload, "info", "last_deployed")
    return Release(
        ref=ref,
        number=number,
        readable=True,
        state=state_of(obj),
        status=status,
        released_at=begun,
        chart_name=fields.text(payload, "chart", "metadata", "name"),
        chart_version=fields.text(payload, "chart", "metadata", "version"),
        description=description,
        rollback=marked or status == "pending-rollback",
        workloads=tuple(_workload(one, ref.namespace) for one in fields.items(payload, "workloads")),
    )


def _workload(named: Any, namespace: str) -> Ref:
    return Ref(fields.text(named, "kind"), fields.text(named, "namespace") or namespace, fields.text(named, "name"))
