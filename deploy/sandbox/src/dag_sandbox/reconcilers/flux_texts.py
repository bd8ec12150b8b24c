"""The messages helm-controller writes (fluxcd/helm-controller internal/reconcile)."""

from __future__ import annotations

from typing import Final

from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers import helm_history
from dag_sandbox.reconcilers.durations import seconds, written
from dag_sandbox.reconcilers.helm_history import History

NO_TARGET: Final = "Failed to perform remediation: missing target release for rollback: cannot remediate failed release"


def running(action: str, obj: Object) -> str:
    """While an action runs."""
    return f"Running '{action}' action with timeout of {written(seconds(obj['spec'].get('timeout', '5m')))}"


def succeeded(action: str, release: str, number: int, chart: str) -> str:
    """After an install or upgrade."""
    return f"Helm {action} succeeded for release {release}.v{number} with chart {chart}"


def failed(action: str, release: str, chart: str, cause: str) -> str:
    """After an install or upgrade that failed."""
    return f"Helm {action} failed for release {release} with chart {chart}: {cause}"


def remediated(action: str, obj: Object, history: History) -> str:
    """After a rollback or uninstall."""
    name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
    target = helm_history.deployed(history) if action == "rollback" else None
    latest = target or history[0]
    chart = f"{latest['chartName']}@{latest['chartVersion']}"
    previous = "rollback to previous" if target else "uninstall remediation for"
    return f"Helm {previous} release {name}.v{latest['version']} with chart {chart} succeeded"


def not_ready(obj: Object, reason: str) -> str:
    """Why the new pods do not come up: the chart's own reason, or a wait that ran out."""
    name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
    state = reason or "Updated: 1/2"
    return f"resource Deployment/{name} not ready. status: InProgress, message: {state}\ncontext deadline exceeded"


def refused(reason: str) -> str:
    """Why the API server does not take the manifests."""
    return reason or 'admission webhook "policy.example.com" denied the request'


def not_rendered(chart: str, reason: str) -> str:
    """Why the templates give no manifests."""
    place = f"{chart}/templates/deployment.yaml"
    cause = reason or "nil pointer evaluating interface {}.tag"
    return f'template: {place}:12:20: executing "{place}" at <.Values.image.tag>: {cause}'
