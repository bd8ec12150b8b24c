"""Helm's release secrets (helm/helm pkg/storage/driver/{secrets,util,labels}.go, pkg/release/v1)."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any, Final

from dag_common.runtime import clock
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers.charts import Built

TYPE: Final = "helm.sh/release.v1"
DEPLOYED, SUPERSEDED, FAILED, UNINSTALLED = "deployed", "superseded", "failed", "uninstalled"
PENDING: Final = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")


@dataclass(frozen=True, slots=True)
class HelmRelease:
    """One version of a release, as Helm 4 stores it. `manifest` is what was applied, `rollback_to` a version or 0."""

    namespace: str
    name: str
    version: int
    status: str
    description: str
    chart: Built
    manifest: Object
    first_deployed: str
    last_deployed: str
    deleted: str = ""
    rollback_to: int = 0

    @property
    def secret_name(self) -> str:
        """The secret that holds it."""
        return f"sh.helm.release.v1.{self.name}.v{self.version}"

    def secret(self, stamp: str) -> Object:
        """The secret; `stamp` is `createdAt` when it is new, `modifiedAt` once it was written again."""
        labels = {
            "name": self.name,
            "owner": "helm",
            "status": self.status,
            "version": str(self.version),
            stamp: str(int(clock.now().timestamp())),
        }
        metadata = {"name": self.secret_name, "namespace": self.namespace, "labels": labels}
        return {"metadata": metadata, "type": TYPE, "data": {"release": encoded(self._payload())}}

    def _payload(self) -> dict[str, Any]:
        chart, rolled_back = self.chart, {"rollback_revision": self.rollback_to} if self.rollback_to else {}
        described = {"apiVersion": "v2", "name": chart.name, "version": chart.version, "appVersion": chart.app_version}
        info = {
            "first_deployed": self.first_deployed,
            "last_deployed": self.last_deployed,
            "deleted": self.deleted,
            "description": self.description,
            "status": self.status,
        }
        return {
            "name": self.name,
            "namespace": self.namespace,
            "version": self.version,
            "info": info | rolled_back,
            "chart": {"metadata": described, "lock": None, "templates": [], "values": chart.values, "files": []},
            "config": {},
            "manifest": json.dumps(self.manifest),
            "hooks": [],
            "apply_method": "ssa",
        }


def encoded(payload: dict[str, Any]) -> str:
    """`data.release`: Helm's base64 of gzipped JSON, and Kubernetes' base64 of that."""
    inner = base64.b64encode(gzip.compress(json.dumps(payload).encode(), mtime=0))
    return base64.b64encode(inner).decode()


def decoded(secret: Object) -> HelmRelease:
    """The release in a secret that `HelmRelease.secret` made."""
    inner = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    payload = json.loads(gzip.decompress(inner))
    info, described = payload["info"], payload["chart"]["metadata"]
    return HelmRelease(
        namespace=payload["namespace"],
        name=payload["name"],
        version=payload["version"],
        status=info["status"],
        description=info["description"],
        chart=Built(described["name"], described["version"], described["appVersion"], payload["chart"]["values"]),
        manifest=json.loads(payload["manifest"]),
        first_deployed=info["first_deployed"],
        last_deployed=info["last_deployed"],
        deleted=info["deleted"],
        rollback_to=info.get("rollback_revision", 0),
    )
