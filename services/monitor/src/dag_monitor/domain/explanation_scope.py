"""Which workloads a target's rollout consists of, as far as its reconciler's objects name them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fields, workload
from dag_monitor.domain.expectation import Object, Objects, Ref

KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Job")
_GROUPS: Final = ("apps", "batch")
_RELEASE: Final = "meta.helm.sh/release-name"
_RELEASE_NAMESPACE: Final = "meta.helm.sh/release-namespace"
_INSTANCE: Final = "app.kubernetes.io/instance"
_LONGEST_RELEASE: Final = 53


@dataclass(frozen=True, slots=True)
class HelmName:
    """A Helm release; what it made is found by the marks Helm leaves (helm/helm pkg/action/validate.go)."""

    namespace: str
    name: str

    def made(self, obj: Object) -> bool:
        """Whether an object of the release's namespace belongs to it."""
        annotations = fields.field(obj, "metadata", "annotations")
        if owner := fields.text(annotations, _RELEASE):
            return owner == self.name and fields.text(annotations, _RELEASE_NAMESPACE) in ("", self.namespace)
        return fields.text(obj, "metadata", "labels", _INSTANCE) == self.name


@dataclass(frozen=True, slots=True)
class Scope:
    """The workloads by name, or else the Helm release that made them."""

    named: tuple[Ref, ...] = ()
    release: HelmName | None = None


def owner(objects: Objects) -> Object:
    """The HelmRelease or the Application; an empty object if there is none or it was not seen."""
    return next((obj for ref, obj in objects.items() if ref.kind in ("HelmRelease", "Application")), {})


def scope(target: RolloutTarget, objects: Objects) -> Scope:
    """Where to look for what is wrong."""
    own = owner(objects)
    if target.kind == "workload":
        return Scope(workload.concerned(objects, target))
    if target.kind == "argocd":
        return Scope(tuple(_of_application(own, target.namespace)))
    if target.kind == "flux":
        named = tuple(_of_inventory(own))
        return Scope(named) if named else Scope(release=_of_helm_release(own, target))
    return Scope(release=HelmName(target.namespace, target.name))


def _of_application(app: Object, namespace: str) -> Iterator[Ref]:
    """The unhealthy ones first: an Application may hold hundreds."""
    listed = [one for one in fields.items(app, "status", "resources") if fields.text(one, "kind") in KINDS]
    for one in sorted(listed, key=lambda one: fields.text(one, "health", "status") == "Healthy"):
        if fields.text(one, "group") in _GROUPS:
            yield Ref(fields.text(one, "kind"), fields.text(one, "namespace") or namespace, fields.text(one, "name"))


def _of_inventory(release: Object) -> Iterator[Ref]:
    """`<namespace>_<name>_<group>_<kind>` (fluxcd/helm-controller api/v2, since 1.5)."""
    for entry in fields.items(release, "status", "inventory", "entries"):
        namespace, name, group, kind = (*fields.text(entry, "id").split("_"), "", "", "", "")[:4]
        if kind in KINDS and group in _GROUPS:
            yield Ref(kind, namespace, name)


def _of_helm_release(release: Object, target: RolloutTarget) -> HelmName:
    """The name as fluxcd/helm-controller internal/release/name.go makes it."""
    elsewhere = fields.text(release, "spec", "targetNamespace")
    name = fields.text(release, "spec", "releaseName") or (f"{elsewhere}-{target.name}" if elsewhere else target.name)
    if len(name) > _LONGEST_RELEASE:
        name = f"{name[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return HelmName(elsewhere or target.namespace, name)
