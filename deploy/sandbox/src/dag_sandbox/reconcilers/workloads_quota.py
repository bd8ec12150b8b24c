"""A quota that takes no pod of some templates, and how their controllers tell of it."""

from __future__ import annotations

from typing import Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers import workloads_events, workloads_symptoms
from dag_sandbox.reconcilers.manifests import FATE
from dag_sandbox.reconcilers.outcomes import QUOTA, Outcome, outcome_written

_SOURCES: Final = {
    "ReplicaSet": "replicaset-controller",
    "StatefulSet": "statefulset-controller",
    "DaemonSet": "daemonset-controller",
    "Job": "job-controller",
}


def fate_of(owner: Object) -> Outcome:
    """How the pods of an owner's template go."""
    described = owner["spec"]["template"].get("metadata") or {}
    return outcome_written((described.get("annotations") or {}).get(FATE, ""))


def refusal(double: ClusterDouble, owner: Object) -> str:
    """Why the API server takes no pod of the owner, told by an event too; empty if it takes them."""
    outcome = fate_of(owner)
    if outcome.ailment != QUOTA:
        return ""
    pod = {"metadata": {"name": f"{owner['metadata']['name']}-x7k2p"}, "spec": owner["spec"]["template"]["spec"]}
    words = workloads_symptoms.words(QUOTA, pod, outcome)
    told = f"Error creating: {words}"
    workloads_events.tell(double, owner, "FailedCreate", told, source=_SOURCES[owner["kind"]])
    return words
