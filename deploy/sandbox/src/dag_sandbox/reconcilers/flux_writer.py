"""Writes an object the way fluxcd/pkg runtime/patch does: conditions in one call, the rest of the status in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import Object, Resource
from dag_sandbox.reconcilers.work_queue import Key

REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"
# fluxcd/pkg runtime/conditions: Stalled, Reconciling and Ready come first, the others by name.
_FIRST: Final = {"Stalled": 0, "Reconciling": 1, "Ready": 2}


@dataclass(frozen=True, slots=True)
class Mark:
    """A condition to be set."""

    status: str
    reason: str
    message: str


def yes(reason: str, message: str) -> Mark:
    """A condition that is True."""
    return Mark("True", reason, message)


def no(reason: str, message: str) -> Mark:
    """A condition that is False."""
    return Mark("False", reason, message)


def unknown(reason: str, message: str) -> Mark:
    """A condition that is Unknown."""
    return Mark("Unknown", reason, message)


GONE: Final = None
"""Takes a condition, or a field of the status, away."""


class FluxWriter:
    """Writes one object. Each method is one API call, which watchers see by itself."""

    def __init__(self, double: ClusterDouble, resource: Resource, key: Key) -> None:
        self._double = double
        self._resource = resource
        self._key = key

    @property
    def object(self) -> Object:
        """The object as it is now. Raises `NotFound` when it is gone."""
        return self._double.get(self._resource, *self._key)

    @property
    def status(self) -> dict[str, Any]:
        """Its status as it is now."""
        status: dict[str, Any] = self.object.get("status") or {}
        return status

    def condition(self, type_: str) -> Mark | None:
        """One condition as it is now."""
        found = (one for one in self.status.get("conditions", []) if one["type"] == type_)
        return next((Mark(one["status"], one["reason"], one["message"]) for one in found), None)

    def conditions(self, **marks: Mark | None) -> None:
        """Set conditions, or take them away. Reconciling and Stalled exclude each other: the one that is set wins."""
        if marks.get("Reconciling"):
            marks.setdefault("Stalled", GONE)
        if marks.get("Stalled"):
            marks.setdefault("Reconciling", GONE)
        obj = self.object
        before = {one["type"]: one for one in (obj.get("status") or {}).get("conditions", [])}
        kept = {type_: one for type_, one in before.items() if type_ not in marks}
        generation = obj["metadata"]["generation"]
        new = {type_: _written(type_, mark, before, generation) for type_, mark in marks.items() if mark}
        ordered = sorted((kept | new).values(), key=lambda one: (_FIRST.get(one["type"], 3), one["type"]))
        self._patch({"conditions": ordered})

    def rest(self, fields: Mapping[str, Any]) -> None:
        """Write the rest of the status."""
        self._patch(dict(fields))

    def handled(self, *, observed: bool, **fields: Any) -> None:
        """The last write of a reconciliation: the request it answered and, if it came to an end, the generation."""
        metadata = self.object["metadata"]
        requested = (metadata.get("annotations") or {}).get(REQUESTED_AT)
        if requested:
            fields["lastHandledReconcileAt"] = requested
        if observed:
            fields["observedGeneration"] = metadata["generation"]
        self._patch(fields)

    def _patch(self, status: dict[str, Any]) -> None:
        self._double.merge_patch_status(self._resource, *self._key, {"status": status})


def _written(type_: str, mark: Mark, before: Mapping[str, Any], generation: int) -> dict[str, Any]:
    old = before.get(type_, {})
    same = (old.get("status"), old.get("reason"), old.get("message")) == (mark.status, mark.reason, mark.message)
    return {
        "type": type_,
        "status": mark.status,
        "reason": mark.reason,
        "message": mark.message,
        "lastTransitionTime": old["lastTransitionTime"] if same else timestamp(),
        "observedGeneration": generation,
    }
