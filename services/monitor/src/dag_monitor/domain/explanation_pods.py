"""Which pods belong to the new revision of a workload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from dag_monitor.domain import fields
from dag_monitor.domain.clocks import CLOCKS_DIFFER
from dag_monitor.domain.expectation import Object

REVISION: Final = "deployment.kubernetes.io/revision"
HASH: Final = "controller-revision-hash"
JOB_NAME: Final = "batch.kubernetes.io/job-name"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def selector(workload: Object) -> str:
    """The label selector that finds a workload's pods and what stands between; empty if it has none."""
    found = fields.field(workload, "spec", "selector", "matchLabels")
    labels = found if isinstance(found, Mapping) else {}
    if not labels and fields.text(workload, "kind") == "Job":
        labels = {JOB_NAME: fields.text(workload, "metadata", "name")}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def newest_replica_set(workload: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The one the Deployment rolls out now, by its revision number."""
    owned = [one for one in replica_sets if _owned(one, workload)]
    revision = fields.text(workload, "metadata", "annotations", REVISION)
    return next((one for one in owned if fields.text(one, "metadata", "annotations", REVISION) == revision), None)


def new_pods(workload: Object, between: Iterable[Object], pods: Iterable[Object]) -> list[Object]:
    """The pods of the revision a workload rolls out now; `between` are its replica sets or controller revisions.

    Where these may not be read, every pod of the workload's selector counts.
    """
    between, pods = list(between), [pod for pod in pods if not fields.text(pod, "metadata", "deletionTimestamp")]
    match fields.text(workload, "kind"):
        case "Deployment" if between:
            current = newest_replica_set(workload, between)
            return [pod for pod in pods if current is not None and _owned(pod, current)]
        case "StatefulSet":
            revision = fields.text(workload, "status", "updateRevision")
            return [pod for pod in pods if _owned(pod, workload) and _hash(pod) == revision]
        case "DaemonSet" if between:
            newest = max(
                (one for one in between if _owned(one, workload)), key=lambda one: fields.number(one, "revision"),
                default=None,
            )  # fmt: skip
            return [pod for pod in pods if _owned(pod, workload) and newest is not None and _hash(pod) == _hash(newest)]
        case "Deployment":
            return pods
        case _:
            return [pod for pod in pods if _owned(pod, workload)]


def made_since(pods: Iterable[Object], moment: datetime) -> list[Object]:
    """The pods that came into being after a moment, by whichever clock."""
    return [pod for pod in pods if (created(pod) or _NEVER) > moment - CLOCKS_DIFFER]


def created(obj: Object) -> datetime | None:
    """When the API server stored the object first."""
    return fields.instant(obj, "metadata", "creationTimestamp")


def _owned(obj: Object, owner: Object) -> bool:
    uid = fields.text(owner, "metadata", "uid")
    return any(fields.text(one, "uid") == uid for one in fields.items(obj, "metadata", "ownerReferences"))


def _hash(obj: Object) -> str:
    return fields.text(obj, "metadata", "labels", HASH)
