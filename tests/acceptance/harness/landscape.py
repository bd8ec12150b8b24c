"""What may be deployed where: environments spread over IaC repositories, and the registry that says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from acceptance.harness.charts import NAME

PROJECT = "acme/shop"
BRANCH = "main"
CLUSTER = "main"
AUDIENCE = "https://dag.example.com"
"""What ID tokens are asked for with; job tokens are taken beside them."""


@dataclass(frozen=True, slots=True)
class Place:
    """An environment: its repository and directory, and the release that follows it if its rollout is watched.

    `supersedes`: newer deployments make older ones that wait give way.
    """

    environment: str
    repository: str
    watched: bool = True
    supersedes: bool = False
    branch: str = BRANCH

    @property
    def path(self) -> str:
        """The chart's directory."""
        return f"clusters/main/{self.environment}/{NAME}"

    @property
    def namespace(self) -> str:
        """Where the release lives in the cluster."""
        return self.environment


@dataclass(frozen=True, slots=True)
class Landscape:
    """All environments of an installation, and how long it waits for the CI provider."""

    places: tuple[Place, ...]
    provider_timeout: str = "10s"

    @classmethod
    def of(cls, *, environments: int, repositories: int, unwatched: int = 0, superseding: int = 0) -> Landscape:
        """Environments dealt out to repositories in turn; the first so many have no rollout to watch.

        In the last so many, newer deployments supersede those that wait.
        """
        return cls(
            tuple(
                Place(
                    f"env-{one:02}",
                    f"iac-{one % repositories}",
                    watched=one >= unwatched,
                    supersedes=one >= environments - superseding,
                )
                for one in range(environments)
            )
        )

    @property
    def repositories(self) -> tuple[str, ...]:
        """The IaC repositories' names."""
        return tuple(sorted({place.repository for place in self.places}))

    @property
    def watched(self) -> Place:
        """One whose rollouts are watched."""
        return next(place for place in self.places if place.watched)

    def place(self, environment: str) -> Place:
        """An environment's place."""
        return next(place for place in self.places if place.environment == environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The secrets of an installation, planted so that a test can look where they turn up."""

    git_user: str = "dag"
    git_password: str
    cluster_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the parts of the outside world are, as the services reach them."""

    gitlab: str
    git: str
    cluster: str


def write_registry(directory: Path, landscape: Landscape, addresses: Addresses, keys: Keys) -> Path:
    """`dag.yaml` and its secrets; returns the directory, which is what DAG_REGISTRY names."""
    directory.mkdir(parents=True, exist_ok=True)
    write_cluster_token(directory, keys.cluster_token)
    (directory / "git.password").write_text(keys.git_password)
    (directory / "dag.yaml").write_text(yaml.safe_dump(_registry(landscape, addresses, keys)))
    return directory


def write_cluster_token(directory: Path, token: str) -> None:
    """The file the registry refers to; a rotated token is written here."""
    (directory / "cluster.token").write_text(token)


def _registry(landscape: Landscape, addresses: Addresses, keys: Keys) -> dict[str, Any]:
    credentials = {"https": {"username": keys.git_user, "password": {"file": "git.password"}}}
    return {
        "providers": {
            "gitlab": {
                "kind": "gitlab",
                "url": addresses.gitlab,
                "timeout": landscape.provider_timeout,
                "audience": AUDIENCE,
            }
        },
        "clusters": {CLUSTER: {"server": addresses.cluster, "token": {"file": "cluster.token"}}},
        "iac": {
            name: {"url": f"{addresses.git}/{name}.git", "branch": BRANCH, "credentials": credentials}
            for name in landscape.repositories
        },
        "apps": [
            {
                "name": "shop",
                "repoUrl": f"{addresses.gitlab}/{PROJECT}",
                "provider": "gitlab",
                "environments": [_environment(place) for place in landscape.places],
            }
        ],
    }


def _environment(place: Place) -> dict[str, Any]:
    flux = {"kind": "flux", "cluster": CLUSTER, "namespace": place.namespace, "name": NAME, "timeout": "5m"}
    return {
        "name": place.environment,
        "branch": "main",
        "iac": {"repository": place.repository, "path": place.path},
        "targets": [flux] if place.watched else [{"kind": "none"}],
        "supersede": place.supersedes,
    }
