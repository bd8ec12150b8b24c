"""What the workload controllers share: ownership, hashes, pods, conditions (kubernetes/kubernetes pkg/controller)."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from typing import Any, Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import PODS, Object, Resource
from dag_sandbox.cluster.selectors import Selection

# kubernetes/apimachinery pkg/util/rand: no vowels, no digits that look like letters.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
Conditions = list[dict[str, Any]]


def hash_of(template: Object) -> str:
    """A pod template's hash, as names and labels carry it."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def reference(owner: Object) -> dict[str, Any]:
    """What an object carries that is controlled by another."""
    named = {key: owner["metadata"][key] for key in ("name", "uid")}
    kind = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    return {**kind, **named, "controller": True, "blockOwnerDeletion": True}


def owner_of(obj: Object) -> dict[str, Any] | None:
    """The reference to the object that controls this one."""
    references = obj["metadata"].get("ownerReferences") or []
    return next((one for one in references if one.get("controller")), None)


def owned(double: ClusterDouble, resource: Resource, owner: Object) -> list[Object]:
    """What an object controls, the oldest first."""
    uid, namespace = owner["metadata"]["uid"], owner["metadata"]["namespace"]
    found = double.list(resource, Selection(namespace=namespace))
    mine = [obj for obj in found if (owner_of(obj) or {}).get("uid") == uid]
    return sorted(mine, key=lambda obj: str(obj["metadata"]["uid"]))


def create_pod(double: ClusterDouble, owner: Object, labels: dict[str, str], **metadata: Any) -> Object:
    """A pod of the owner's template. `metadata` may name it, or change what the template says."""
    template = copy.deepcopy(owner["spec"]["template"])
    described = template.get("metadata") or {}
    own = {
        "namespace": owner["metadata"]["namespace"],
        "labels": {**(described.get("labels") or {}), **labels},
        "annotations": described.get("annotations") or {},
        "ownerReferences": [reference(owner)],
    }
    name = {} if "name" in metadata else {"generateName": f"{owner['metadata']['name']}-"}
    return double.create(PODS, {"metadata": own | name | metadata, "spec": template["spec"]})


def delete(double: ClusterDouble, resource: Resource, obj: Object) -> None:
    """Delete an object that was read."""
    double.delete(resource, obj["metadata"]["namespace"], obj["metadata"]["name"])


def is_active(pod: Object) -> bool:
    """Whether a pod has not come to an end."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def is_ready(pod: Object) -> bool:
    """Whether a pod serves; with no `minReadySeconds` it is available at once."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def condition(obj: Object, type_: str) -> dict[str, Any]:
    """One condition of an object; an empty one if it is not there."""
    listed = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in listed if one["type"] == type_), {})


def marked(conditions: Conditions, type_: str, mark: tuple[str, str, str] | None) -> Conditions:
    """The conditions with one set to (status, reason, message), or taken away.

    As apps/v1 does it, the transition time is that of the last change of the status, not of its words.
    """
    old: dict[str, Any] = next((one for one in conditions if one["type"] == type_), {})
    if mark is not None and tuple(old.get(key) for key in ("status", "reason", "message")) == mark:
        return conditions
    others = [one for one in conditions if one["type"] != type_]
    if mark is None:
        return others
    now, (status, reason, message) = timestamp(), mark
    since = old["lastTransitionTime"] if old.get("status") == status else now
    told = {"type": type_, "status": status, "reason": reason, "message": message}
    return [*others, told | {"lastUpdateTime": now, "lastTransitionTime": since}]


def counts(**numbers: int) -> dict[str, int | None]:
    """Numbers of a status; the API leaves zeros out."""
    return {name: number or None for name, number in numbers.items()}


def share(wanted: Any, replicas: int, *, up: bool) -> int:
    """A number of pods, or a percentage of them, as `maxSurge` and `maxUnavailable` are written."""
    if not isinstance(wanted, str):
        return int(wanted)
    part = replicas * float(wanted.removesuffix("%")) / 100
    return math.ceil(part) if up else math.floor(part)
