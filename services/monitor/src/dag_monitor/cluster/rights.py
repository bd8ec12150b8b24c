"""The rights DAG needs in a cluster: the one table that manifests, checks and messages about missing rights go by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.cluster import resources
from dag_monitor.cluster.resources import BETWEEN, WORKLOADS, Resource
from dag_monitor.domain.expectation import Objects, Ref
from dag_monitor.domain.explanation_scope import scope
from dag_monitor.domain.judges import judge_for


class Purpose(StrEnum):
    """What a right is good for; without the last two the verdict is the same, only later or with fewer words."""

    WATCH = "watch"
    KICK = "kick"
    EXPLAIN = "explain failures"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource of one namespace."""

    verb: str
    resource: Resource
    namespace: str
    subresource: str = ""

    def __str__(self) -> str:
        suffix = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource.qualified}{suffix} in namespace {self.namespace}"

    @property
    def plural(self) -> str:
        """The resource as access rules name it, beside its group: `deployments`, `pods/log`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


@dataclass(frozen=True, slots=True)
class Places:
    """Namespaces that the registry does not tell: of Flux's sources, and of the workloads a target rolls out."""

    sources: frozenset[str] = frozenset()
    workloads: frozenset[str] = frozenset()


Rights = dict[Right, Purpose]
"""Each right once, with the first thing it is needed for."""

_SEEN: Final = ("list", "watch")
_SOURCES: Final = (resources.HELM_CHARTS, resources.GIT_REPOSITORIES)
_FOUND_BY: Final = {"flux": ("get", "list"), "argocd": ("get",), "helm": ("list",), "workload": ("get",)}
"""How an inspection finds workloads: by the names a reconciler lists, by the marks that Helm leaves, or either."""


def needed(target: RolloutTarget, places: Places, *, kick: bool, logs: bool) -> Rights:
    """Exactly what the monitor asks for one target, in the order of importance."""
    rights = dict.fromkeys(_watched(target, places), Purpose.WATCH)
    kicked = _kicked(target, places) if kick else ()
    for purpose, asked in ((Purpose.KICK, kicked), (Purpose.EXPLAIN, _explained(target, places, logs=logs))):
        for right in asked:
            rights.setdefault(right, purpose)
    return rights


def places_of(target: RolloutTarget, objects: Objects) -> Places:
    """The namespaces as the target's own objects name them."""
    where = scope(target, objects)
    sources = {source.kind for source in _SOURCES}
    concerned = judge_for(target.kind).concerned(objects, target)
    return Places(
        sources=frozenset(one.namespace for one in concerned if isinstance(one, Ref) and one.kind in sources),
        workloads=frozenset({where.release.namespace} if where.release else {ref.namespace for ref in where.named}),
    )


def _watched(target: RolloutTarget, places: Places) -> Iterator[Right]:
    if target.kind == "flux":
        yield from _each(_SEEN, (resources.HELM_RELEASES,), (target.namespace,))
        yield from _each(_SEEN, _SOURCES, places.sources)
    if target.kind == "argocd":
        yield from _each(_SEEN, (resources.APPLICATIONS,), (target.namespace,))
    if target.kind == "helm":
        yield from _each((*_SEEN, "get"), (resources.SECRETS,), (target.namespace,))
        yield from _each(_SEEN, WORKLOADS.values(), places.workloads)
    if target.kind == "workload":
        yield from _each(_SEEN, _workloads(target), (target.namespace,))


def _kicked(target: RolloutTarget, places: Places) -> Iterator[Right]:
    if target.kind == "flux":
        yield from _each(("patch",), (resources.GIT_REPOSITORIES,), places.sources)
    if target.kind == "argocd":
        yield from _each(("patch",), (resources.APPLICATIONS,), (target.namespace,))


def _explained(target: RolloutTarget, places: Places, *, logs: bool) -> Iterator[Right]:
    workloads = _workloads(target)
    between = [BETWEEN[each.kind] for each in workloads if each.kind in BETWEEN]
    yield from _each(_FOUND_BY.get(target.kind, ()), workloads, places.workloads)
    yield from _each(("list",), (*between, resources.PODS, resources.EVENTS), places.workloads)
    if logs:
        yield from (Right("get", resources.PODS, namespace, "log") for namespace in sorted(places.workloads))


def _workloads(target: RolloutTarget) -> tuple[Resource, ...]:
    """The kinds a target may consist of: the one it names, or any."""
    if target.kind != "workload":
        return tuple(WORKLOADS.values())
    concerned = judge_for(target.kind).concerned({}, target)
    return tuple(WORKLOADS[one.kind] for one in concerned if isinstance(one, Ref))


def _each(verbs: Iterable[str], of: Iterable[Resource], namespaces: Iterable[str]) -> Iterator[Right]:
    chosen = tuple(of)
    for namespace in sorted(namespaces):
        yield from (Right(verb, resource, namespace) for resource in chosen for verb in verbs)
