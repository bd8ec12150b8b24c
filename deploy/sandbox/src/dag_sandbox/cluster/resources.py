"""The kinds the double serves, and how its API server treats writes to each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One collection of the API.

    `status_subresource`: status is written only through `/status`, and everything else only outside it.
    `generations`: `metadata.generation` counts the changes of what the user desires (all but metadata and,
    with the subresource, status). `initial_status` is the default a custom resource definition declares.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    status_subresource: bool = True
    generations: bool = True
    initial_status: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def api_version(self) -> str:
        """What objects carry as `apiVersion`; the core group has no prefix."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name error messages use, as kube-apiserver does: `helmreleases.helm.toolkit.fluxcd.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


# fluxcd/helm-controller api/v2 and fluxcd/source-controller api/v1: `+kubebuilder:default:={"observedGeneration":-1}`.
_UNOBSERVED: Final = {"observedGeneration": -1}

HELM_RELEASES: Final = Resource(
    "helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease", initial_status=_UNOBSERVED
)
GIT_REPOSITORIES: Final = Resource(
    "source.toolkit.fluxcd.io", "v1", "gitrepositories", "GitRepository", initial_status=_UNOBSERVED
)
HELM_CHARTS: Final = Resource("source.toolkit.fluxcd.io", "v1", "helmcharts", "HelmChart", initial_status=_UNOBSERVED)
# argoproj/argo-cd manifests/crds/application-crd.yaml declares no status subresource.
APPLICATIONS: Final = Resource("argoproj.io", "v1alpha1", "applications", "Application", status_subresource=False)
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS: Final = Resource("apps", "v1", "daemonsets", "DaemonSet")
REPLICA_SETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS: Final = Resource(
    "apps", "v1", "controllerrevisions", "ControllerRevision", status_subresource=False, generations=False
)
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
PODS: Final = Resource("", "v1", "pods", "Pod", generations=False)
SECRETS: Final = Resource("", "v1", "secrets", "Secret", status_subresource=False, generations=False)
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap", status_subresource=False, generations=False)
EVENTS: Final = Resource("", "v1", "events", "Event", status_subresource=False, generations=False)
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False, generations=False)

CATALOGUE: Final[tuple[Resource, ...]] = (
    HELM_RELEASES,
    GIT_REPOSITORIES,
    HELM_CHARTS,
    APPLICATIONS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    DAEMON_SETS,
    REPLICA_SETS,
    CONTROLLER_REVISIONS,
    JOBS,
    PODS,
    SECRETS,
    CONFIG_MAPS,
    EVENTS,
    NAMESPACES,
)
