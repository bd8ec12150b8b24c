"""How far a workload has rolled out its own spec, whoever wrote that.

The rules are those of `kubectl rollout status` (kubernetes/kubectl pkg/polymorphichelpers/rollout_status.go), made
stricter where kstatus is (kubernetes-sigs/cli-utils pkg/kstatus/status/core.go). A count that is missing is zero, as
the API leaves zeros out; a count that a status always has keeps the rollout waiting while it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dag_monitor.domain import fields
from dag_monitor.domain.conditions import Conditions, conditions_of
from dag_monitor.domain.expectation import Object
from dag_monitor.domain.wording import sentences, told


@dataclass(frozen=True, slots=True)
class Standing:
    """Done, failed (`failure` is the code) or under way; `final` failures can never turn into a success."""

    message: str
    done: bool = False
    failure: str = ""
    final: bool = False
    since: datetime | None = None


def deployment(obj: Object) -> Standing:
    """A Deployment; the only one of the three endless kinds that knows a failure."""
    conditions, progress = conditions_of(obj), conditions_of(obj)["Progressing"]
    if not _observed(obj):
        return Standing("the Deployment controller has not seen the new spec yet")
    if progress.reason == "ProgressDeadlineExceeded":
        why = sentences("It exceeded its progress deadline", told(progress.message), _replica_failure(conditions))
        return Standing(why, failure="progress-deadline-exceeded", since=progress.since)
    waiting = next(_deployment_waits(obj, conditions), "")
    if waiting:
        return Standing(sentences(waiting, _replica_failure(conditions)))
    return Standing(f"{fields.number(obj, 'status', 'availableReplicas')} replicas are available", done=True)


def _deployment_waits(obj: Object, conditions: Conditions) -> Iterator[str]:
    wanted = fields.number(obj, "spec", "replicas", default=1)
    total, updated = _count(obj, "replicas"), _count(obj, "updatedReplicas")
    available, ready = _count(obj, "availableReplicas"), _count(obj, "readyReplicas")
    progress = conditions["Progressing"]
    if fields.flag(obj, "spec", "paused"):
        yield "it is paused, until somebody resumes it (kubectl rollout resume)"
    if updated < wanted:
        yield f"{updated} of {wanted} new replicas have been updated"
    if total > updated:
        yield f"{total - updated} old replicas are pending termination"
    if min(available, ready) < updated:
        yield f"{min(available, ready)} of {updated} updated replicas are available"
    if progress.present and progress.reason != "NewReplicaSetAvailable":
        yield f"the new replica set is not available yet ({progress.reason})"
    if not conditions["Available"].true:
        yield "it is not available yet"


def _replica_failure(conditions: Conditions) -> str:
    failure = conditions["ReplicaFailure"]
    return f"Pods cannot be created: {told(failure.message)}" if failure.true else ""


def stateful_set(obj: Object) -> Standing:
    """A StatefulSet; it has no failure of its own, so only the timeout ends a broken one."""
    if not _observed(obj):
        return Standing("the StatefulSet controller has not seen the new spec yet")
    waiting = next(_stateful_set_waits(obj), "")
    return Standing(waiting) if waiting else Standing(f"{_count(obj, 'readyReplicas')} replicas are ready", done=True)


def _stateful_set_waits(obj: Object) -> Iterator[str]:
    wanted = fields.number(obj, "spec", "replicas", default=1)
    ready, total = _count(obj, "readyReplicas"), _count(obj, "replicas")
    if ready < wanted:
        yield f"{ready} of {wanted} replicas are ready"
    if total > wanted:
        yield f"{total - wanted} replicas are pending termination"
    behind = _not_updated(obj, wanted)
    if behind:
        yield behind


def _not_updated(obj: Object, wanted: int) -> str:
    partition = fields.number(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    updated = _count(obj, "updatedReplicas")
    if _by_hand(obj):
        return _delete_by_hand(updated, wanted) if updated < wanted else ""
    if 0 < wanted <= partition and not _same_revision(obj):
        return f"its partition {partition} keeps all {wanted} replicas at the old revision"
    done = updated >= wanted - partition if partition else _same_revision(obj)
    return "" if done else f"{updated} of {wanted - partition} replicas have been updated"


def _same_revision(obj: Object) -> bool:
    current = fields.text(obj, "status", "currentRevision")
    return bool(current) and current == fields.text(obj, "status", "updateRevision")


def daemon_set(obj: Object) -> Standing:
    """A DaemonSet; it has no failure of its own either."""
    desired = fields.number(obj, "status", "desiredNumberScheduled", default=-1)
    if not _observed(obj) or desired < 0:
        return Standing("the DaemonSet controller has not seen the new spec yet")
    updated, available = _count(obj, "updatedNumberScheduled"), _count(obj, "numberAvailable")
    if updated < desired:
        words = _delete_by_hand(updated, desired) if _by_hand(obj) else f"{updated} of {desired} new pods are scheduled"
        return Standing(words)
    if min(available, _count(obj, "numberReady")) < desired:
        return Standing(f"{available} of {desired} updated pods are available")
    return Standing(f"{available} pods are available", done=True)


def job(obj: Object) -> Standing:
    """A Job: only its end counts. kstatus calls a running one current, which would be too early."""
    conditions = conditions_of(obj)
    failed, complete = conditions["Failed"], conditions["Complete"]
    if failed.true:
        why = sentences(f"The job failed ({failed.reason})", told(failed.message))
        return Standing(why, failure="job-failed", final=True, since=failed.since)
    if complete.true:
        return Standing("the job completed", done=True)
    if fields.flag(obj, "spec", "suspend"):
        return Standing("the job is suspended, until somebody sets spec.suspend to false")
    counts = (_count(obj, part) for part in ("active", "succeeded", "failed"))
    return Standing("the job runs: {} pods active, {} succeeded, {} failed".format(*counts))


def _observed(obj: Object) -> bool:
    generation = fields.number(obj, "metadata", "generation")
    return 0 < generation <= fields.number(obj, "status", "observedGeneration")


def _count(obj: Object, name: str) -> int:
    return fields.number(obj, "status", name)


def _by_hand(obj: Object) -> bool:
    return fields.text(obj, "spec", "updateStrategy", "type") == "OnDelete"


def _delete_by_hand(updated: int, wanted: int) -> str:
    return f"{updated} of {wanted} pods are updated; its strategy is OnDelete, so somebody has to delete the others"


UNSEEN: Final = " (a finished job may remove itself, and then nothing tells whether it completed: raise its ttl)"
"""What is to be said of a Job that is not there, after whatever it is that it is not there."""

READ: Final[dict[str, Callable[[Object], Standing]]] = {
    "Deployment": deployment,
    "StatefulSet": stateful_set,
    "DaemonSet": daemon_set,
    "Job": job,
}
"""How each kind is read."""
