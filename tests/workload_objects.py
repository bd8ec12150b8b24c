"""Workloads for tests, finished or changed where a test says so, and what is expected of them."""

from __future__ import annotations

from typing import Any

import msgspec
from flux_objects import TARGET, merged
from flux_objects import expectation as flux_expectation

from dag_monitor.domain.expectation import Earlier, Expectation, Ref
from dag_monitor.domain.verdict import Progressing, Verdict
from dag_monitor.domain.workload import assess

AVAILABLE = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
ROLLED_OUT = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
ROLLING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
EXCEEDED = {
    "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "podinfo-1" has timed out progressing.', "lastTransitionTime": "2026-09-01T10:10:00Z",
}  # fmt: skip
FORBIDDEN = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
CHART, VERSION = "helm.sh/chart", "app.kubernetes.io/version"
OUR_LABELS = {"helm.sh/chart": "podinfo-1.2.3", "app.kubernetes.io/version": "1.2.3"}
OLD_LABELS = {"helm.sh/chart": "podinfo-1.2.2", "app.kubernetes.io/version": "1.2.2"}
DONE: dict[str, dict[str, Any]] = {
    "deployment": {
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
            "conditions": [AVAILABLE, ROLLED_OUT],
        },
    },
    "statefulset": {
        "spec": {"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}},
        "status": {
            "observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "currentRevision": "podinfo-b", "updateRevision": "podinfo-b",
        },
    },
    "daemonset": {
        "spec": {"updateStrategy": {"type": "RollingUpdate"}},
        "status": {
            "observedGeneration": 4, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3,
            "numberAvailable": 3,
        },
    },
    "job": {
        "spec": {"backoffLimit": 2},
        "status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]},
    },
}  # fmt: skip
KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet", "job": "Job"}


def expectation(name: str = "deployment/podinfo", *, fail_after: int = 1, **changes: Any) -> Expectation:
    target = msgspec.structs.replace(TARGET, kind="workload", name=name, fail_after=fail_after)
    return flux_expectation(**({"target": target, "app_version": "1.2.3"} | changes))


def workload(kind: str, change: Any = None) -> dict[str, Any]:
    metadata = {"name": "podinfo", "namespace": "default", "generation": 4, "labels": OUR_LABELS}
    return merged({**DONE[kind], "metadata": metadata}, change or {})  # type: ignore[no-any-return]


def labelled(*labels: Any) -> dict[str, Any]:
    on_object, on_pods = (*labels, {})[:2]
    pods = {"template": {"metadata": {"labels": on_pods}}}
    obj = workload("deployment", {"spec": pods})
    obj["metadata"]["labels"] = on_object
    return obj


def expecting(version: str, app_version: str, *earlier: tuple[str, str], **changes: Any) -> Expectation:
    """Our version, over the contents before it, each by its chart's and its app's version."""
    known = tuple(Earlier(*each) for each in earlier)
    return expectation(chart_version=version, app_version=app_version, earlier=known, **changes)


def judged(kind: str, obj: dict[str, Any], expected: Expectation | None = None) -> Verdict:
    return assess({Ref(KINDS[kind], "default", "podinfo"): obj}, expected or expectation(f"{kind}/podinfo"))


def progressing(verdict: Verdict) -> str:
    assert isinstance(verdict, Progressing), verdict
    return verdict.message
