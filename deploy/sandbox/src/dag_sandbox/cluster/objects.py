"""What an API server does to one object on a write. Pure: objects come in, new objects go out."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from dag_common.errors import Invalid
from dag_sandbox.cluster.resources import Object, Resource

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Written by the server only; what a client sends in them is ignored.
_OWNED: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "selfLink")


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396) and return the result; neither argument is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def admitted(resource: Resource, obj: Object, *, uid: str, now: str) -> Object:
    """The object as first stored. Raises `Invalid` for a wrong kind, a bad name or a missing namespace."""
    result = copy.deepcopy(obj)
    _check(resource, result)
    metadata = result["metadata"]
    for owned in _OWNED:
        metadata.pop(owned, None)
    metadata |= {"uid": uid, "creationTimestamp": now}
    if resource.generations:
        metadata["generation"] = 1
    if resource.status_subresource:
        result.pop("status", None)
        if resource.initial_status:
            result["status"] = dict(resource.initial_status)
    return result


def replaced(resource: Resource, before: Object, wanted: Object) -> Object:
    """`before` after a write to the main resource: status stays, generation counts a changed desire."""
    result = copy.deepcopy(wanted)
    _check(resource, result)
    metadata = result["metadata"]
    for owned in _OWNED:
        metadata.pop(owned, None)
        if owned in before["metadata"]:
            metadata[owned] = before["metadata"][owned]
    if resource.status_subresource:
        result.pop("status", None)
        if "status" in before:
            result["status"] = before["status"]
    if resource.generations and _desired(resource, result) != _desired(resource, before):
        metadata["generation"] = before["metadata"]["generation"] + 1
    return result


def with_status(before: Object, wanted: Object) -> Object:
    """`before` after a write to its status subresource: only the status is taken over."""
    result = {key: value for key, value in before.items() if key != "status"}
    if "status" in wanted:
        result["status"] = copy.deepcopy(wanted["status"])
    return result


def dying(resource: Resource, before: Object, *, now: str) -> Object:
    """`before` after a deletion that has to wait for finalizers."""
    metadata = before["metadata"] | {"deletionTimestamp": now}
    if resource.generations:
        metadata["generation"] = before["metadata"]["generation"] + 1
    return before | {"metadata": metadata}


def same(one: Object, other: Object) -> bool:
    """Whether two objects differ in nothing but the resource version: such a write changes nothing."""
    return _unversioned(one) == _unversioned(other)


def _unversioned(obj: Object) -> Object:
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


def _desired(resource: Resource, obj: Object) -> Object:
    ignored = {"metadata", "status"} if resource.status_subresource else {"metadata"}
    return {key: value for key, value in obj.items() if key not in ignored}


def _check(resource: Resource, obj: Object) -> None:
    obj.setdefault("apiVersion", resource.api_version)
    obj.setdefault("kind", resource.kind)
    if (obj["apiVersion"], obj["kind"]) != (resource.api_version, resource.kind):
        raise Invalid(
            f"{obj['apiVersion']} {obj['kind']} was sent to {resource.qualified}: "
            f"expected {resource.api_version} {resource.kind}"
        )
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise Invalid(f"{resource.kind}: metadata must be an object")
    name = metadata.get("name", "")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise Invalid(f"{resource.kind} {name!r}: metadata.name must be a lower-case RFC 1123 subdomain")
    if resource.namespaced and not metadata.get("namespace"):
        raise Invalid(f"{resource.kind} {name!r}: metadata.namespace is required")
    if not resource.namespaced and metadata.pop("namespace", ""):
        raise Invalid(f"{resource.kind} {name!r}: the kind is not namespaced")
