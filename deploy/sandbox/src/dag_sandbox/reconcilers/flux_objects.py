"""Flux's objects as a user would write them: a GitRepository with its secret, and HelmReleases that follow it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dag_sandbox.cluster.objects import merge
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_RELEASES, SECRETS, Object, Resource
from dag_sandbox.reconcilers.durations import written


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxSource:
    """A branch that Flux follows, looking every `interval` seconds and when asked to."""

    url: str
    branch: str = "main"
    name: str = "iac"
    namespace: str = "flux-system"
    interval: float = 1.0
    user: str = ""
    password: str = field(default="", repr=False)

    def objects(self) -> Iterator[tuple[Resource, Object]]:
        """The GitRepository, after the secret it needs."""
        metadata = {"name": self.name, "namespace": self.namespace}
        spec: dict[str, Any] = {"url": self.url, "ref": {"branch": self.branch}, "interval": written(self.interval)}
        if self.password:
            secret = metadata | {"name": f"{self.name}-auth"}
            pairs = {"username": self.user, "password": self.password}
            data = {key: base64.b64encode(value.encode()).decode() for key, value in pairs.items()}
            yield SECRETS, {"metadata": secret, "type": "Opaque", "data": data}
            spec["secretRef"] = {"name": secret["name"]}
        yield GIT_REPOSITORIES, {"metadata": metadata, "spec": spec}


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxRelease:
    """A HelmRelease for the chart at `path`. `retries` is Flux's remediation; `spec` is merged over all of it."""

    name: str
    path: str
    source: FluxSource
    namespace: str = "default"
    retries: int = 0
    spec: Mapping[str, Any] = field(default_factory=dict)

    def objects(self) -> Iterator[tuple[Resource, Object]]:
        """The HelmRelease."""
        reference = {"kind": "GitRepository", "name": self.source.name, "namespace": self.source.namespace}
        spec: dict[str, Any] = {
            "interval": "10m",
            "timeout": "5m",
            "chart": {"spec": {"chart": f"./{self.path}", "interval": "1m", "sourceRef": reference}},
        }
        if self.retries:
            for action in ("install", "upgrade"):
                spec[action] = {"remediation": {"retries": self.retries}}
        yield (
            HELM_RELEASES,
            {"metadata": {"name": self.name, "namespace": self.namespace}, "spec": merge(spec, dict(self.spec))},
        )
