"""How a Deployment fares, as Argo CD (gitops-engine pkg/health/health_deployment.go) and Helm's wait read it."""

from __future__ import annotations

from typing import Final, NamedTuple

from dag_common.errors import NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, Object
from dag_sandbox.reconcilers.workloads_objects import condition

HEALTHY: Final = "Healthy"
PROGRESSING: Final = "Progressing"
DEGRADED: Final = "Degraded"
SUSPENDED: Final = "Suspended"
MISSING: Final = "Missing"


class Health(NamedTuple):
    """A status of Argo CD's list, and why."""

    status: str
    message: str = ""


def health(obj: Object) -> Health:
    """The health of a Deployment."""
    status, name = obj.get("status") or {}, obj["metadata"]["name"]
    if obj["spec"].get("paused"):
        return Health(SUSPENDED, "Deployment is paused")
    if status.get("observedGeneration", 0) < obj["metadata"]["generation"]:
        return _waiting("observed deployment generation less than desired generation")
    if condition(obj, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return Health(DEGRADED, f'Deployment "{name}" exceeded its progress deadline')
    wanted, updated = obj["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return _waiting(f"{updated} out of {wanted} new replicas have been updated...")
    if total > updated:
        return _waiting(f"{total - updated} old replicas are pending termination...")
    if available < updated:
        return _waiting(f"{available} of {updated} updated replicas are available...")
    return Health(HEALTHY)


def _waiting(words: str) -> Health:
    return Health(PROGRESSING, f"Waiting for rollout to finish: {words}")


async def settled(double: ClusterDouble, key: tuple[str, str]) -> Health:
    """Wait until a Deployment is healthy or will not be; somebody must reconcile it."""
    since = double.history.head
    found = _health_of(double, key)
    if found.status == PROGRESSING:
        async for change in double.subscribe(DEPLOYMENTS, since=since):
            found = _health_of(double, key) if change.key == key else found
            if found.status != PROGRESSING:
                break
    return found


def _health_of(double: ClusterDouble, key: tuple[str, str]) -> Health:
    try:
        return health(double.get(DEPLOYMENTS, *key))
    except NotFound:
        return Health(MISSING)
