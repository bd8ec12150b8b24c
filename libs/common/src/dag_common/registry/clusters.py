"""The section `clusters` of `dag.yaml`: whose reconcilers are watched, and how to reach them."""

from __future__ import annotations

from dag_common.registry.entry import Entry, check_web_url
from dag_common.registry.references import File, FilePath, Secret


class Kubeconfig(Entry, frozen=True, kw_only=True):
    """A kubeconfig file and the context to take from it (none: its current one)."""

    file: FilePath
    context: str | None = None


class Cluster(Entry, frozen=True, kw_only=True):
    """How to reach a cluster's API: a kubeconfig, a server with a token, or the pod's own service account.

    `kick` False forbids telling its reconcilers of a push (one annotation; otherwise DAG only reads); `logs` False
    forbids quoting what containers wrote in the message of a failed rollout.
    """

    kubeconfig: Kubeconfig | None = None
    server: str | None = None
    ca: File | None = None
    token: Secret | None = None
    in_cluster: bool = False
    kick: bool = True
    logs: bool = True

    def __post_init__(self) -> None:
        ways = [self.kubeconfig is not None, self.server is not None, self.in_cluster]
        if ways.count(True) != 1:
            raise ValueError(
                "expected exactly one of kubeconfig {file, context}, server (with ca, token), inCluster: true"
            )
        if self.server is not None:
            check_web_url(self.server, "server")
        elif self.ca is not None or self.token is not None:
            raise ValueError("ca and token belong to server")
