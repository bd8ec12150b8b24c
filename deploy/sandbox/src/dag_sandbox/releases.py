"""What runs in the sandbox's cluster: a release per environment, each following its directory of the IaC repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["flux", "argocd", "helm", "workload"]

ARGOCD_NAMESPACE: Final = "argocd"


@dataclass(frozen=True, slots=True)
class Release:
    """A release, who brings it to the cluster, the branch that deploys to it, and where its chart lies.

    `flux` is a HelmRelease and `argocd` an Application; `helm` is `helm upgrade --install --wait` after each commit,
    rolled back when it fails, and `workload` the same without waiting, so that only the Deployment tells the end.
    """

    environment: str
    branch: str
    namespace: str
    kind: Kind = "flux"
    name: str = "hello"

    @property
    def path(self) -> str:
        """The chart's directory in the IaC repository."""
        return f"clusters/sandbox/{self.environment}/{self.name}"

    @property
    def watched(self) -> tuple[str, str]:
        """The kind and the namespace of the target that shows how it went."""
        return self.kind, ARGOCD_NAMESPACE if self.kind == "argocd" else self.namespace


RELEASES: Final = (
    Release(environment="staging", branch="main", namespace="staging"),
    Release(environment="production", branch="release/*", namespace="production"),
    Release(environment="argocd", branch="argocd", namespace="by-argocd", kind="argocd"),
    Release(environment="helm", branch="helm", namespace="by-helm", kind="helm"),
    Release(environment="workload", branch="workload", namespace="by-pipeline", kind="workload"),
)


def of_kind(*kinds: Kind) -> list[Release]:
    """The releases brought by one of these."""
    return [release for release in RELEASES if release.kind in kinds]
