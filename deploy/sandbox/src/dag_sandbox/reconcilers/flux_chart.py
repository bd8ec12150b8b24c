"""source-controller's half for HelmCharts (fluxcd/source-controller internal/controller/helmchart_controller.go)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Final

from dag_common.errors import Invalid, NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_CHARTS, Object
from dag_sandbox.reconcilers.charts import Built, read_chart
from dag_sandbox.reconcilers.flux_source import GitRepositories
from dag_sandbox.reconcilers.flux_writer import GONE, FluxWriter, Mark, no, unknown, yes
from dag_sandbox.reconcilers.work_queue import Key

BUILT_FROM: Final = "dag-sandbox/commit"
"""Where an artifact keeps the commit it was built from: a chart that is not rebuilt keeps its old content."""


class HelmCharts:
    """Builds the charts that HelmReleases ask for, from what their GitRepositories hold."""

    def __init__(self, double: ClusterDouble, sources: GitRepositories) -> None:
        self._double = double
        self._sources = sources

    async def reconcile(self, key: Key) -> float | None:
        """Build once, if the source, the spec, or the chart's name or version changed."""
        writer = FluxWriter(self._double, HELM_CHARTS, key)
        obj = writer.object
        if obj["spec"].get("suspend"):
            return None
        revision = self._source_revision(obj)
        if not revision:
            _no_source(writer, obj["spec"]["sourceRef"]["name"])
            return None
        try:
            chart = await self._read(obj, revision.rpartition(":")[2])
        except (NotFound, Invalid) as exc:
            _unbuilt(writer, revision, f"invalid chart reference: {exc}")
            return None
        if await self._holds(obj, chart):
            _looked_at(writer, revision, chart)
        else:
            _built(writer, key, revision, chart)
        return None

    async def load(self, key: Key) -> Built:
        """The chart that a HelmChart's artifact holds. Raises `NotFound`, `Invalid`."""
        obj = self._double.get(HELM_CHARTS, *key)
        artifact = obj["status"]["artifact"]
        return replace(await self._read(obj, artifact["metadata"][BUILT_FROM]), version=artifact["revision"])

    async def _holds(self, obj: Object, chart: Built) -> bool:
        """Whether the artifact stays as it is: Flux compares only spec, name and version (builder_local.go)."""
        status = obj.get("status") or {}
        artifact = status.get("artifact") or {}
        same_spec = status.get("observedGeneration") == obj["metadata"]["generation"]
        if not same_spec or (status.get("observedChartName"), artifact.get("revision")) != (chart.name, chart.version):
            return False
        return await self._sources.checkout(source_of(obj)).holds(artifact["metadata"][BUILT_FROM])

    def _source_revision(self, obj: Object) -> str:
        try:
            repository = self._double.get(GIT_REPOSITORIES, *source_of(obj))
        except NotFound:
            return ""
        artifact = (repository.get("status") or {}).get("artifact") or {}
        return str(artifact.get("revision", ""))

    async def _read(self, obj: Object, commit: str) -> Built:
        source = source_of(obj)
        await self._sources.hold(source, commit)
        chart = await read_chart(self._sources.checkout(source), commit, str(obj["spec"]["chart"]))
        return replace(chart, version=_stamped(obj, chart.version, commit))


def source_of(obj: Object) -> Key:
    """The GitRepository a HelmChart is built from; it is in the HelmChart's own namespace."""
    return obj["metadata"]["namespace"], obj["spec"]["sourceRef"]["name"]


def _stamped(obj: Object, version: str, commit: str) -> str:
    """Flux's own build metadata takes the place of any that was there."""
    marks = [commit[:12]] if obj["spec"].get("reconcileStrategy") == "Revision" else []
    marks += [str(obj["metadata"]["generation"])] if obj["spec"].get("valuesFiles") else []
    return f"{version.partition('+')[0]}+{'.'.join(marks)}" if marks else version


def _no_source(writer: FluxWriter, name: str) -> None:
    message = f"no artifact available for GitRepository source '{name}'"
    writer.conditions(
        Reconciling=yes("ProgressingWithRetry", message),
        Ready=no("NoSourceArtifact", message),
        FetchFailed=yes("NoSourceArtifact", message),
    )


def _unbuilt(writer: FluxWriter, revision: str, message: str) -> None:
    """A chart reference that is wrong stalls: only another commit or spec can help."""
    reason = "InvalidChartReference"
    writer.conditions(Stalled=yes(reason, message), Ready=no(reason, message), FetchFailed=yes(reason, message))
    writer.handled(observed=True, observedSourceArtifactRevision=revision)


def _packaged(chart: Built) -> Mark:
    return yes("ChartPackageSucceeded", f"packaged '{chart.name}' chart with version '{chart.version}'")


def _looked_at(writer: FluxWriter, revision: str, chart: Built) -> None:
    writer.conditions(Ready=_packaged(chart), Stalled=GONE, Reconciling=GONE, FetchFailed=GONE)
    writer.handled(observed=True, observedSourceArtifactRevision=revision)


def _built(writer: FluxWriter, key: Key, revision: str, chart: Built) -> None:
    packaged = _packaged(chart)
    news = f"new artifact: {packaged.message}"
    writer.conditions(
        Reconciling=yes("Progressing", f"building artifact: {news}"),
        Ready=unknown("Progressing", f"building artifact: {news}"),
    )
    writer.rest({"observedSourceArtifactRevision": revision})
    writer.conditions(Ready=packaged, ArtifactInStorage=packaged, Reconciling=GONE, FetchFailed=GONE)
    writer.handled(
        observed=True,
        observedSourceArtifactRevision=revision,
        observedChartName=chart.name,
        artifact=_artifact(key, chart, revision.rpartition(":")[2]),
    )


def _artifact(key: Key, chart: Built, commit: str) -> dict[str, Any]:
    path = f"helmchart/{key[0]}/{key[1]}/{chart.name}-{chart.version}.tgz"
    return {
        "revision": chart.version,
        "digest": f"sha256:{hashlib.sha256(f'{commit} {chart.label}'.encode()).hexdigest()}",
        "path": path,
        "url": f"http://source-controller.flux-system.svc.cluster.local./{path}",
        "size": 0,
        "lastUpdateTime": timestamp(),
        "metadata": {BUILT_FROM: commit},
    }
