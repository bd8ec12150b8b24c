"""An Argo CD Application as a user would write it, and how to read and write the parts that matter here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.objects import merge
from dag_sandbox.cluster.resources import APPLICATIONS, Object
from dag_sandbox.reconcilers.git_follower import GitSource
from dag_sandbox.reconcilers.work_queue import Key

REFRESH: Final = "argocd.argoproj.io/refresh"
# argoproj/argo-cd controller/appcontroller.go, autoSync: the retries of a sync whose Application says nothing.
_USUAL_RETRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgoApp:
    """An Application for the chart at `path`, deployed to `destination`; `spec` is merged over all of it."""

    name: str
    path: str
    source: GitSource
    namespace: str = "argocd"
    destination: str = "default"
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The Application's own namespace and name."""
        return self.namespace, self.name

    def object(self) -> Object:
        """The Application."""
        spec = {
            "project": "default",
            "source": {"repoURL": self.source.url, "path": self.path, "targetRevision": self.source.branch},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": self.destination},
            "syncPolicy": {"automated": {}},
        }
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"metadata": metadata, "spec": merge(spec, dict(self.spec))}


class Application:
    """One Application as it is now. It has no status subresource: every write is a patch of the whole object."""

    def __init__(self, double: ClusterDouble, key: Key) -> None:
        """Raises `NotFound`."""
        self._double = double
        self.key = key
        self.obj = double.get(APPLICATIONS, *key)

    @property
    def status(self) -> dict[str, Any]:
        """All that Argo CD has written."""
        found: dict[str, Any] = self.obj.get("status") or {}
        return found

    @property
    def state(self) -> dict[str, Any]:
        """The last operation's state."""
        found: dict[str, Any] = self.status.get("operationState") or {}
        return found

    @property
    def source(self) -> dict[str, Any]:
        """Where its manifests come from."""
        found: dict[str, Any] = self.obj["spec"]["source"]
        return found

    @property
    def release(self) -> Key:
        """The Deployment it brings: in the destination's namespace, named as itself."""
        return self.obj["spec"]["destination"]["namespace"], self.key[1]

    @property
    def policy(self) -> dict[str, Any]:
        """Its sync policy."""
        found: dict[str, Any] = self.obj["spec"].get("syncPolicy") or {}
        return found

    @property
    def automated(self) -> bool:
        """Whether it syncs by itself."""
        automated = self.policy.get("automated")
        return automated is not None and automated.get("enabled") is not False

    @property
    def retries(self) -> int:
        """How often a failed sync is tried again."""
        return int((self.policy.get("retry") or {}).get("limit", _USUAL_RETRIES))

    @property
    def refreshing(self) -> bool:
        """Whether somebody asked for a refresh."""
        return REFRESH in (self.obj["metadata"].get("annotations") or {})

    def patch(self, patch: Object) -> None:
        """One write."""
        self.obj = self._double.merge_patch(APPLICATIONS, *self.key, patch)


def operation_state(**fields: Any) -> Object:
    """A patch of the operation's state."""
    return {"status": {"operationState": fields}}
