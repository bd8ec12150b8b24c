"""URL paths of the Kubernetes API: what they name, and the discovery documents that list them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dag_common.errors import NotFound
from dag_sandbox.cluster.resources import PODS, Object, Resource

_UNKNOWN: Final = "the server could not find the requested resource"
_VERBS: Final = ["create", "delete", "get", "list", "patch", "update", "watch"]
_READABLE_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a collection (`name` empty), an object, or an object's subresource."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def right(self) -> str:
        """The resource as access rules name it: `pods`, `pods/log`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def parse(path: str, resources: Iterable[Resource]) -> Target:
    """The target of `/api/v1/…` or `/apis/<group>/<version>/…`. Raises `NotFound` for anything not served."""
    group_version, rest = _split(path)
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in {"status", "finalize"}:  # noqa: PLR2004  /namespaces/<namespace>/<plural>
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= _READABLE_DEPTH:
        raise NotFound(_UNKNOWN)
    plural, name, subresource = (*rest, "", "")[:_READABLE_DEPTH]
    for resource in resources:
        if (resource.api_version, resource.plural) == (group_version, plural):
            return _checked(Target(resource, namespace, name, subresource))
    raise NotFound(_UNKNOWN)


def discovery(path: str, resources: Iterable[Resource]) -> Object | None:
    """The discovery document at a path, or None if the path is not one (kubernetes/api discovery v1)."""
    served = sorted(resources, key=lambda resource: (resource.group, resource.plural))
    parts = [part for part in path.split("/") if part]
    if parts == ["version"]:
        return {"major": "1", "minor": "33", "gitVersion": "v1.33.0-dag.sandbox", "platform": "in-memory"}
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        groups = [_group(name, served) for name in sorted({resource.group for resource in served} - {""})]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if (parts[:1], len(parts)) in ((["api"], 2), (["apis"], 3)):
        return _resource_list("/".join(parts[1:]), served)
    return None


def _split(path: str) -> tuple[str, list[str]]:
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        return "/".join(parts[1:2]), parts[2:]
    if parts[:1] == ["apis"]:
        return "/".join(parts[1:3]), parts[3:]
    raise NotFound(_UNKNOWN)


def _checked(target: Target) -> Target:
    if target.namespace and not target.resource.namespaced:
        raise NotFound(_UNKNOWN)
    if target.name and target.resource.namespaced and not target.namespace:
        raise NotFound(_UNKNOWN)
    if target.subresource not in _subresources(target.resource):
        raise NotFound(_UNKNOWN)
    return target


def _subresources(resource: Resource) -> tuple[str, ...]:
    return ("", *(["status"] if resource.status_subresource else []), *(["log"] if resource == PODS else []))


def _group(name: str, served: list[Resource]) -> Object:
    versions = sorted({resource.version for resource in served if resource.group == name})
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(group_version: str, served: list[Resource]) -> Object | None:
    listed = [_described(resource) for resource in served if resource.api_version == group_version]
    if not listed:
        return None
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _described(resource: Resource) -> Object:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _VERBS,
    }
