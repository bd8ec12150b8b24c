"""The way in from a pod: its service account and the API server Kubernetes tells it of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dag_common.errors import Invalid
from dag_monitor.cluster.access import Access, StoredCredentials, from_file

# kubernetes/client-go rest/config.go: InClusterConfig.
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def access(environment: Mapping[str, str], directory: Path = SERVICE_ACCOUNT) -> Access:
    """Access with the pod's own rights; token and CA are files that the kubelet keeps current.

    Raises `Invalid` outside of a pod.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise Invalid("inCluster: this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        credentials=StoredCredentials(token=from_file(directory / "token")),
        ca=from_file(directory / "ca.crt"),
    )
