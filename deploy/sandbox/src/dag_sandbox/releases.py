"""What runs in the sandbox's cluster: a release per environment, each following its directory of the IaC repository."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """A Flux HelmRelease, the branch that deploys to it, and where its chart lies."""

    environment: str
    branch: str
    namespace: str
    name: str = "hello"

    @property
    def path(self) -> str:
        """The chart's directory in the IaC repository."""
        return f"clusters/sandbox/{self.environment}/{self.name}"


RELEASES = (
    Release(environment="staging", branch="main", namespace="staging"),
    Release(environment="production", branch="release/*", namespace="production"),
)
