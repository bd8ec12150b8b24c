"""From a cluster's entry in the registry to the way in."""

from __future__ import annotations

from dag_common.errors import Invalid
from dag_common.registry.schema import Cluster
from dag_monitor.cluster.access import Access, StoredCredentials, from_file


def access_to(cluster: Cluster) -> Access:
    """How to reach the cluster; secrets are read when they are used. Raises `Invalid` for a way in that is none."""
    if cluster.server is None:
        raise Invalid("kubeconfig and inCluster are not supported by this version; give server, ca and token")
    return Access(
        server=cluster.server,
        credentials=StoredCredentials(token=None if cluster.token is None else cluster.token.read),
        ca=None if cluster.ca is None else from_file(cluster.ca.path),
    )
