"""From a cluster's entry in the registry to the way in."""

from __future__ import annotations

import os

from dag_common.registry.clusters import Cluster
from dag_monitor.cluster import in_cluster, kubeconfig
from dag_monitor.cluster.access import Access, StoredCredentials, from_file


def access_to(cluster: Cluster) -> Access:
    """How to reach the cluster; secrets are read when they are used.

    Raises `Invalid`, `NotFound` or `Unavailable` for a kubeconfig that cannot be used, or inCluster outside a pod.
    """
    if cluster.kubeconfig is not None:
        return kubeconfig.access(cluster.kubeconfig.file.path, cluster.kubeconfig.context or "")
    if cluster.server is None:
        return in_cluster.access(os.environ)
    return Access(
        server=cluster.server,
        credentials=StoredCredentials(token=None if cluster.token is None else cluster.token.read),
        ca=None if cluster.ca is None else from_file(cluster.ca.path),
    )
