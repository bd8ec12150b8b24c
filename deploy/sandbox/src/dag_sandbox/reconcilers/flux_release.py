"""helm-controller: prerequisites, then the decision what to do (fluxcd/helm-controller internal/controller)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping

from dag_common.errors import Invalid, NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import HELM_CHARTS, HELM_RELEASES, Object
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.flux_action import Action, Work, in_sync
from dag_sandbox.reconcilers.flux_chart import HelmCharts
from dag_sandbox.reconcilers.flux_workload import Workload
from dag_sandbox.reconcilers.flux_writer import FluxWriter, no, yes
from dag_sandbox.reconcilers.outcomes import Outcome, outcome_of
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key


class HelmReleases:
    """Brings the double's HelmReleases to what their charts say. `outcomes` overrule what a chart's values ask for."""

    def __init__(
        self, double: ClusterDouble, charts: HelmCharts, pace: Pace, woken: Callable[[Key], asyncio.Event]
    ) -> None:
        self._double = double
        self._charts = charts
        self._pace = pace
        self._woken = woken
        self.outcomes: dict[Key, Outcome] = {}
        self.with_workloads = False

    async def reconcile(self, key: Key) -> float | None:
        """One reconciliation, to its end or to where it has to wait."""
        writer = FluxWriter(self._double, HELM_RELEASES, key)
        obj = writer.object
        if obj["spec"].get("suspend") or "deletionTimestamp" in obj["metadata"]:
            writer.handled(observed=True)
            return None
        chart_key = self._template(writer, obj)
        writer.conditions(Reconciling=yes("Progressing", "Fulfilling prerequisites"))
        if unmet := self._unmet(obj):
            return _wait(writer, "DependencyNotReady", unmet, self._pace.dependency)
        if missing := self._missing(chart_key):
            return _wait(writer, "SourceNotReady", missing, None)
        try:
            chart = await self._charts.load(chart_key)
            outcome = self.outcomes.get(key) or outcome_of(chart.values)
        except (NotFound, Invalid) as exc:
            return _wait(writer, "ArtifactFailed", f"Could not load chart: {exc}", self._pace.retry)
        return await self._release(key, writer, chart, outcome)

    async def _release(self, key: Key, writer: FluxWriter, chart: Built, outcome: Outcome) -> float | None:
        obj = writer.object
        work = Work(writer, obj, chart, outcome, _digest(obj["spec"].get("values")))
        if in_sync(work):
            return None
        workload = Workload(self._double, key) if self.with_workloads else None
        return await Action(work, self._pace, self._woken(key), workload).run()

    def _template(self, writer: FluxWriter, obj: Object) -> Key:
        """Make or update the HelmChart that the release's template describes (helmchart_template.go)."""
        own, template = obj["metadata"], obj["spec"]["chart"]["spec"]
        key = chart_key_of(obj)
        reference = {"kind": "GitRepository", "name": template["sourceRef"]["name"]}
        kept = ("chart", "interval", "reconcileStrategy", "valuesFiles")
        spec = {name: template[name] for name in kept if name in template}
        spec = {"interval": obj["spec"].get("interval", "10m"), "reconcileStrategy": "ChartVersion"} | spec
        wanted = {"metadata": {"name": key[1], "namespace": key[0]}, "spec": spec | {"sourceRef": reference}}
        wanted["metadata"]["labels"] = {f"helm.toolkit.fluxcd.io/{name}": own[name] for name in ("name", "namespace")}
        self._double.put(HELM_CHARTS, wanted)
        if writer.status.get("helmChart") != "/".join(key):
            writer.rest({"helmChart": "/".join(key)})
        return key

    def _unmet(self, obj: Object) -> str:
        for one in obj["spec"].get("dependsOn") or []:
            namespace, name = one.get("namespace") or obj["metadata"]["namespace"], one["name"]
            try:
                other = self._double.get(HELM_RELEASES, namespace, name)
            except NotFound as exc:
                return f"unable to get '{namespace}/{name}' dependency: {exc}"
            if not _ready(other):
                return f"dependency '{namespace}/{name}' is not ready"
        return ""

    def _missing(self, key: Key) -> str:
        chart = self._double.get(HELM_CHARTS, *key)
        status, name = chart.get("status") or {}, "/".join(key)
        if status.get("observedGeneration") != chart["metadata"]["generation"]:
            return f"HelmChart '{name}' is not ready: latest generation of object has not been reconciled"
        if not status.get("artifact"):
            return f"HelmChart '{name}' is not ready: does not have an artifact"
        return ""


def chart_key_of(obj: Object) -> Key:
    """The HelmChart of a HelmRelease: `<namespace>-<name>`, beside its source."""
    own, reference = obj["metadata"], obj["spec"]["chart"]["spec"]["sourceRef"]
    return reference.get("namespace") or own["namespace"], f"{own['namespace']}-{own['name']}"


def _ready(obj: Object) -> bool:
    status = obj.get("status") or {}
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
    return ready and status.get("observedGeneration") == obj["metadata"]["generation"]


def _wait(writer: FluxWriter, reason: str, message: str, seconds: float | None) -> float | None:
    writer.conditions(Ready=no(reason, message))
    writer.handled(observed=False)
    return seconds


def _digest(values: Mapping[str, object] | None) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(values or {}, sort_keys=True).encode()).hexdigest()}"
