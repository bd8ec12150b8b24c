"""Who may do what in the double: everybody everything, until Roles are applied; and the reviews clients ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import yaml

from dag_sandbox.cluster.resources import Object

REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Asked(NamedTuple):
    """One use of a right, as access rules name it: `Asked("list", "apps", "deployments", "shop")`."""

    verb: str
    group: str
    resource: str
    namespace: str


class AccessRules:
    """What the one service account of the double may do, and what it has asked for so far."""

    def __init__(self) -> None:
        self._granted: frozenset[Asked] | None = None
        self.asked: set[Asked] = set()

    @property
    def granted(self) -> frozenset[Asked]:
        """What is granted one by one; empty as long as nothing was applied."""
        return self._granted or frozenset()

    def grant(self, rights: Iterable[Asked]) -> None:
        """Permit these and nothing else from now on."""
        self._granted = frozenset(rights)

    def apply(self, manifests: str) -> None:
        """Permit what the Roles in these YAML documents say, as far as a RoleBinding beside them binds them."""
        self.grant(_rights(list(filter(None, yaml.safe_load_all(manifests)))))

    def permits(self, asked: Asked) -> bool:
        """Whether it may."""
        return self._granted is None or asked in self._granted


def reviewed(attributes: Any) -> Asked:
    """What a SelfSubjectAccessReview asks about."""
    told = {name: str(value) for name, value in attributes.items()} if isinstance(attributes, dict) else {}
    parts = (told.get("resource", ""), told.get("subresource", ""))
    return Asked(told.get("verb", ""), told.get("group", ""), "/".join(filter(None, parts)), told.get("namespace", ""))


def _rights(documents: list[Object]) -> Iterator[Asked]:
    bound = {
        (one["metadata"]["namespace"], one["roleRef"]["name"]) for one in documents if one["kind"] == "RoleBinding"
    }
    for one in documents:
        namespace = one["metadata"].get("namespace", "")
        if one["kind"] == "Role" and (namespace, one["metadata"]["name"]) in bound:
            for rule in one["rules"]:
                yield from _of_rule(rule, namespace)


def _of_rule(rule: Object, namespace: str) -> Iterator[Asked]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield Asked(verb, group, resource, namespace)
