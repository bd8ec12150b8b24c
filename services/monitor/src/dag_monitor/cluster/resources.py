"""What of a cluster can be read: resources, and queries that say which part of one is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
"""An API object as plain JSON. Objects handed out by a reflector are shared: read them, never write them."""

Key = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""


def key_of(obj: Object) -> Key:
    """The key of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One collection of the API, by group (empty: core), version, plural and kind."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """What objects carry as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name access rules and people use: `helmreleases.helm.toolkit.fluxcd.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of the collection (all namespaces if empty) or of one object."""
        root = f"/apis/{self.group}" if self.group else "/api"
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}/{self.version}{place}/{self.plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True)
class Query:
    """A part of a collection: one namespace (empty: all) and selectors in the API's own notation.

    `metadata_only` asks for `PartialObjectMetadata`: labels and names of secrets, never their contents.
    """

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    def __str__(self) -> str:
        place = f'in namespace "{self.namespace}"' if self.namespace else "in all namespaces"
        selectors = [selector for selector in (self.label_selector, self.field_selector) if selector]
        return " ".join([self.resource.qualified, place, *(f"where {selector}" for selector in selectors)])


HELM_RELEASES: Final = Resource("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")
HELM_CHARTS: Final = Resource("source.toolkit.fluxcd.io", "v1", "helmcharts", "HelmChart")
GIT_REPOSITORIES: Final = Resource("source.toolkit.fluxcd.io", "v1", "gitrepositories", "GitRepository")
APPLICATIONS: Final = Resource("argoproj.io", "v1alpha1", "applications", "Application")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
PODS: Final = Resource("", "v1", "pods", "Pod")
EVENTS: Final = Resource("", "v1", "events", "Event")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS: Final = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
STATEFUL_SETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS: Final = Resource("apps", "v1", "daemonsets", "DaemonSet")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
REVIEWS: Final = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
WORKLOADS: Final = {each.kind: each for each in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, JOBS)}
"""By kind."""
WATCHED: Final = WORKLOADS | {each.kind: each for each in (HELM_RELEASES, HELM_CHARTS, GIT_REPOSITORIES, APPLICATIONS)}
"""What judges name by kind and are shown."""

BETWEEN: Final = {DEPLOYMENTS.kind: REPLICA_SETS, DAEMON_SETS.kind: CONTROLLER_REVISIONS}
"""What stands between a workload of a kind and its pods, and tells which of them are new."""
