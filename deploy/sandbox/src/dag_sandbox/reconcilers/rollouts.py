"""What reconcilers do to a release's Deployment: apply it, and take it back."""

from __future__ import annotations

from typing import Final

from dag_common.errors import NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, REPLICA_SETS, Object
from dag_sandbox.reconcilers.manifests import applied
from dag_sandbox.reconcilers.workloads_deployment import HASH, REVISION
from dag_sandbox.reconcilers.workloads_objects import owned

Key = tuple[str, str]
_TWO: Final = 2


def apply(double: ClusterDouble, key: Key, manifest: Object) -> str:
    """Create the Deployment or change it; says which of both, as kubectl does."""
    try:
        before = double.get(DEPLOYMENTS, *key)
    except NotFound:
        double.create(DEPLOYMENTS, manifest)
        return "created"
    double.replace(DEPLOYMENTS, applied(before, manifest))
    return "configured"


def undo(double: ClusterDouble, key: Key) -> None:
    """Go back to the template before this one, as `kubectl rollout undo` does; nothing if there is none."""
    obj = double.get(DEPLOYMENTS, *key)
    known = sorted(owned(double, REPLICA_SETS, obj), key=lambda one: int(one["metadata"]["annotations"][REVISION]))
    if len(known) < _TWO:
        return
    template = known[-2]["spec"]["template"]
    labels = {name: value for name, value in template["metadata"]["labels"].items() if name != HASH}
    template["metadata"]["labels"] = labels
    spec = obj["spec"] | {"template": template}
    double.replace(DEPLOYMENTS, obj | {"spec": spec, "metadata": obj["metadata"] | {"labels": labels}})


def remove(double: ClusterDouble, key: Key) -> None:
    """Delete the Deployment if it is there."""
    try:
        double.delete(DEPLOYMENTS, *key)
    except NotFound:
        return
