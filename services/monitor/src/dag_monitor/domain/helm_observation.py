"""Helm's release secrets, read into values (helm/helm pkg/storage/driver/secrets.go and pkg/release/v1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Object, Objects, Ref
from dag_monitor.domain.helm_payload import release_of

_TYPE: Final = "helm.sh/release.v1"


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a Helm release; `readable` is false if only its labels could be read."""

    ref: Ref
    number: int
    readable: bool
    status: str = ""
    chart_name: str = ""
    chart_version: str = ""
    description: str = ""
    deployed_at: datetime | None = None
    rollback: bool = False

    @property
    def pending(self) -> bool:
        """Whether Helm is at work, or was killed while it was."""
        return self.status.startswith("pending-") or self.status == "uninstalling"


def releases(objects: Objects, target: RolloutTarget) -> tuple[Release, ...]:
    """All versions of the target's release, the newest first. Labels say what to look at, never what is true."""
    mine = (_release(ref, obj) for ref, obj in objects.items() if _is_mine(ref, obj, target))
    return tuple(sorted((one for one in mine if one.number > 0), key=lambda one: one.number, reverse=True))


def _is_mine(ref: Ref, obj: Object, target: RolloutTarget) -> bool:
    named = fields.text(obj, "metadata", "labels", "name") == target.name
    helms = fields.text(obj, "metadata", "labels", "owner") == "helm" and fields.text(obj, "type") in ("", _TYPE)
    return (ref.kind, ref.namespace) == ("Secret", target.namespace) and named and helms


def _release(ref: Ref, obj: Object) -> Release:
    labelled = fields.text(obj, "metadata", "labels", "version")
    number = int(labelled) if labelled.isascii() and labelled.isdigit() and len(labelled) < 10 else 0  # noqa: PLR2004  an int32
    payload = release_of(fields.text(obj, "data", "release"))
    if not isinstance(payload, Mapping) or fields.number(payload, "version") != number:
        return Release(ref, number, readable=False)
    return _readable(ref, number, payload)


def _readable(ref: Ref, number: int, payload: Any) -> Release:
    description, status = fields.text(payload, "info", "description"), fields.text(payload, "info", "status")
    marked = fields.number(payload, "info", "rollback_revision") > 0 or description.startswith("Rollback to")
    return Release(
        ref=ref,
        number=number,
        readable=True,
        status=status,
        chart_name=fields.text(payload, "chart", "metadata", "name"),
        chart_version=fields.text(payload, "chart", "metadata", "version"),
        description=description,
        deployed_at=fields.instant(payload, "info", "last_deployed"),
        rollback=marked or status == "pending-rollback",
    )
