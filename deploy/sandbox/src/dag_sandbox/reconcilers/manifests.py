"""What a chart's templates would give: a Deployment named after the release, labelled as `helm create` has it."""

from __future__ import annotations

from typing import Any, Final

from dag_sandbox.cluster.objects import merge
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.outcomes import IMAGE_PULL, STUCK, Outcome

FATE: Final = "dag-sandbox/outcome"
"""The annotation by which a pod template tells the sandbox's kubelet how its pods go."""

# kubernetes/api apps/v1: a Deployment with this deadline has none.
NO_DEADLINE: Final = 2_147_483_647


def deployment(release: tuple[str, str], chart: Built, outcome: Outcome) -> Object:
    """The Deployment of a release (namespace and name); templates are not rendered for real."""
    namespace, name = release
    selector = {"app.kubernetes.io/name": chart.name, "app.kubernetes.io/instance": name}
    labels = _labels(chart) | selector
    values = chart.values if isinstance(chart.values, dict) else {}
    spec: dict[str, Any] = {
        "replicas": _replicas(values),
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "progressDeadlineSeconds": NO_DEADLINE if outcome.outcome == STUCK else 600,
        "template": pod_template(chart, values, labels, outcome),
    }
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def pod_template(chart: Built, values: dict[str, Any], labels: dict[str, str], outcome: Outcome) -> Object:
    """One container, whose image the outcome may make one that does not exist."""
    container = {"name": chart.name, "image": _image(chart, values, outcome)}
    return {
        "metadata": {"labels": labels, "annotations": {FATE: outcome.written()}},
        "spec": {"restartPolicy": "Always", "containers": [container]},
    }


def applied(before: Object, wanted: Object) -> Object:
    """What an apply makes of the object that is there: others' annotations and the status stay."""
    kept = {key: value for key, value in before.items() if key != "spec"}
    return merge(kept, wanted)  # type: ignore[no-any-return]


def _labels(chart: Built) -> dict[str, str]:
    stamp = f"{chart.name}-{chart.version}".replace("+", "_")[:63].removesuffix("-")
    version = {"app.kubernetes.io/version": chart.app_version} if chart.app_version else {}
    return {"helm.sh/chart": stamp, "app.kubernetes.io/managed-by": "Helm"} | version


def _replicas(values: dict[str, Any]) -> int:
    wanted = values.get("replicaCount", values.get("replicas", 1))
    return int(wanted) if str(wanted).isdecimal() else 1


def _image(chart: Built, values: dict[str, Any], outcome: Outcome) -> str:
    said = values.get("image")
    image = said if isinstance(said, dict) else {}
    repository = image.get("repository") or f"registry.example.com/{chart.name}"
    missing = "no-such-tag" if outcome.ailment == IMAGE_PULL else ""
    return f"{repository}:{image.get('tag') or missing or chart.app_version or 'latest'}"
