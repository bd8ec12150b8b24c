"""`dag rbac`: what a cluster has to grant so that DAG can watch the registry's targets there, and nothing more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import NotFound
from dag_common.registry.registry import Registry, rollout_targets
from dag_monitor.cluster.rights import Places, Right, Rights, needed

_API: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Holder:
    """The service account that is given the rights."""

    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Namespaces that the registry does not tell: of Flux's sources, and of workloads outside their target's."""

    sources: tuple[str, ...]
    workloads: tuple[str, ...]


def manifests(registry: Registry, cluster: str, holder: Holder, elsewhere: Elsewhere) -> str:
    """The YAML documents. Raises `NotFound` for a cluster the registry does not have, or has no targets for."""
    rights = rights_in(registry, cluster, elsewhere)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named(holder.name, holder.namespace)}
    documents = [account, *_roles(rights, holder)]
    return _heading(cluster, targets_of(registry, cluster), elsewhere) + "---\n".join(
        yaml.safe_dump(document, sort_keys=False) for document in documents
    )


def rights_in(registry: Registry, cluster: str, elsewhere: Elsewhere) -> Rights:
    """All that the monitor needs there."""
    entry, targets = registry.cluster(cluster), targets_of(registry, cluster)
    if not targets:
        raise NotFound(f"No environment has a target in the cluster {cluster}: DAG needs no rights there")
    rights: Rights = {}
    for target in targets:
        for right, purpose in needed(target, _places(target, elsewhere), kick=entry.kick, logs=entry.logs).items():
            rights.setdefault(right, purpose)
    return rights


def targets_of(registry: Registry, cluster: str) -> list[RolloutTarget]:
    """The targets of all environments in a cluster, each once."""
    found = {
        (target.kind, target.namespace, target.name): target
        for app in registry.apps
        for environment in app.environments
        for target in rollout_targets(environment)
        if target.cluster == cluster
    }
    return list(found.values())


def _places(target: RolloutTarget, elsewhere: Elsewhere) -> Places:
    own = frozenset() if target.kind == "argocd" else frozenset({target.namespace})
    others = frozenset() if target.kind == "workload" else frozenset(elsewhere.workloads)
    return Places(frozenset(elsewhere.sources), own | others)


def _heading(cluster: str, targets: Iterable[RolloutTarget], elsewhere: Elsewhere) -> str:
    lines = [f"Least rights of DAG's monitor in cluster {cluster}, by `dag rbac`. Apply anew when targets change."]
    kinds = {target.kind for target in targets}
    if "flux" in kinds:
        lines.append(f"Flux's GitRepositories are taken to be in {', '.join(elsewhere.sources)} (--flux-sources).")
    if "argocd" in kinds and not elsewhere.workloads:
        lines.append("Argo CD: name the namespaces its Applications deploy to with --workloads NAMESPACE,")
        lines.append("or the messages of failed rollouts will not say what is wrong with the pods.")
    return "".join(f"# {line}\n" for line in lines)


def _roles(rights: Iterable[Right], holder: Holder) -> Iterator[dict[str, Any]]:
    by_namespace: dict[str, list[Right]] = defaultdict(list)
    for right in rights:
        by_namespace[right.namespace].append(right)
    for namespace, granted in sorted(by_namespace.items()):
        metadata = _named(holder.name, namespace)
        yield {"apiVersion": f"{_API}/v1", "kind": "Role", "metadata": metadata, "rules": _rules(granted)}
        yield {
            "apiVersion": f"{_API}/v1",
            "kind": "RoleBinding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": _API, "kind": "Role", "name": holder.name},
            "subjects": [{"kind": "ServiceAccount", "name": holder.name, "namespace": holder.namespace}],
        }


def _rules(granted: Iterable[Right]) -> list[dict[str, list[str]]]:
    """Resources of one group with the same verbs share a rule."""
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for right in granted:
        verbs[right.resource.group, right.plural].add(right.verb)
    together: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource), allowed in verbs.items():
        together[group, tuple(sorted(allowed))].append(resource)
    return [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(allowed)}
        for (group, allowed), resources in together.items()
    ]


def _named(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace}
