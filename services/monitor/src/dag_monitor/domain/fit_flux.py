"""Whether a HelmRelease takes the chart that an environment commits, by what its judge reads and compares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain.expectation import Objects, Ref
from dag_monitor.domain.fit import Fit, Place, Remark, missing
from dag_monitor.domain.flux_failures import STALLED_BY_SPEC
from dag_monitor.domain.flux_observation import Observation, Release, Repository, concerned, observe, source_of
from dag_monitor.domain.flux_waiting import fetch_trouble
from dag_monitor.domain.places import same_address, same_path
from dag_monitor.domain.wording import told

_TAGGED: Final = ("tag ", "semver ")


def fit(objects: Objects, target: RolloutTarget, place: Place) -> Fit:
    """All that keeps this environment's charts from being seen to arrive by this HelmRelease."""
    seen = observe(objects, target)
    if seen.release is None:
        return missing("HelmRelease")
    remarks = (*_release(seen.release), *_road(objects, target, place), *_chart(seen))
    return Fit(_summary(seen, place), remarks or tuple(_unmade(objects, target)))


def _release(release: Release) -> Iterator[Remark]:
    stalled, at = release.conditions["Stalled"], f"{release.ref.name} -n {release.ref.namespace}"
    if release.deleting:
        yield Remark("the HelmRelease is being deleted", "create it anew when it is gone")
    if release.suspended:
        yield Remark("the HelmRelease is suspended, Flux deploys nothing", f"flux resume helmrelease {at}")
    if not release.waits:
        words = "the HelmRelease does not wait for pods (disableWait): deployments succeed when they are applied"
        remedy = (
            "take disableWait out of spec.install and spec.upgrade, or watch the workloads with targets of their own"
        )
        yield Remark(words, remedy, grave=False)
    if stalled.true and stalled.reason in STALLED_BY_SPEC:
        words = f"the HelmRelease is stalled ({stalled.reason}): {told(stalled.message)}"
        yield Remark(words, "correct its spec, or allow what Flux is denied")


def _road(objects: Objects, target: RolloutTarget, place: Place) -> Iterator[Remark]:
    """From the repository to the HelmRelease."""
    source, seen = source_of(objects, target), observe(objects, target)
    if source is None:
        yield _sourceless(objects, target)
    elif source.kind != "GitRepository":
        yield _published(source, place)
    elif seen.repository is None:
        yield Remark(f"there is no {source}, which the chart is to come from", "create it, or correct the HelmRelease")
    else:
        yield from _repository(seen.repository, place)
        yield from _path(seen, place)


def _sourceless(objects: Objects, target: RolloutTarget) -> Remark:
    chart = next((ref for ref in concerned(objects, target) if ref.kind == "HelmChart" and ref not in objects), None)
    if chart is None:
        return Remark("the HelmRelease does not say where its chart comes from", "set spec.chart.spec.sourceRef")
    return Remark(f"there is no {chart}, which it names", "create it, or correct spec.chartRef of the HelmRelease")


def _published(source: Ref, place: Place) -> Remark:
    """The judge goes by the version then; whether it gets there is up to somebody else."""
    return Remark(
        f"the chart comes from {source}, not from git, so it cannot be told whether what is committed gets there",
        f"see that each commit to {place.path} of {told(place.url)} {place.branch} is published there, or name a "
        "GitRepository in the HelmRelease",
        grave=False,
    )


def _repository(repository: Repository, place: Place) -> Iterator[Remark]:
    ref, mend = repository.ref, "or the environment's iac repository in the registry"
    trouble = fetch_trouble(repository)
    if repository.suspended:
        yield Remark(f"{ref} is suspended", f"flux resume source git {ref.name} -n {ref.namespace}")
    if trouble:
        yield Remark(trouble, "mend its url, reference or credentials")
    if not _same_repository(repository, place):
        words = f"{ref} follows {told(repository.url) or 'no url'}, the environment commits to {told(place.url)}"
        yield Remark(words, f"correct its spec.url, {mend}")
    if repository.pinned.startswith(_TAGGED):
        words = f"{ref} follows {told(repository.pinned)}: what is committed to {place.branch} waits for somebody's tag"
        yield Remark(words, f"see that each commit is tagged, or set spec.ref.branch to {place.branch}", grave=False)
    elif repository.branch != place.branch:
        words = f"{ref} follows {_reference(repository)}, the environment commits to the branch {place.branch}"
        yield Remark(words, f"correct its spec.ref, {mend}")


def _same_repository(repository: Repository, place: Place) -> bool:
    """A repository may go by two addresses: which commit is its newest tells then, as it tells the judge."""
    return same_address(repository.url, place.url) or bool(place.tip and repository.commit == place.tip)


def _reference(repository: Repository) -> str:
    return f"the branch {repository.branch}" if repository.branch else told(repository.pinned)


def _path(seen: Observation, place: Place) -> Iterator[Remark]:
    path = seen.release.chart_path if seen.release else ""
    if path and not same_path(path, place.path):
        yield Remark(
            f"the HelmRelease deploys the chart in {told(path)}, the environment commits to {place.path}",
            "correct spec.chart.spec.chart of the HelmRelease, or the environment's path or target in the registry",
        )


def _chart(seen: Observation) -> Iterator[Remark]:
    if seen.chart is not None and seen.chart.suspended:
        ref = seen.chart.ref
        yield Remark(f"{ref} is suspended", f"flux resume source chart {ref.name} -n {ref.namespace}")


def _unmade(objects: Objects, target: RolloutTarget) -> Iterator[Remark]:
    """What Flux makes itself; while something else is remarkable, that may be why it is not there."""
    chart = next((ref for ref in concerned(objects, target) if ref.kind == "HelmChart" and ref not in objects), None)
    if chart is not None:
        remedy = f"if it stays so, flux get helmreleases {target.name} -n {target.namespace} says why"
        yield Remark(f"Flux has not made {chart} yet", remedy, grave=False)


def _summary(seen: Observation, place: Place) -> str:
    repository = seen.repository
    if seen.release is None or repository is None:
        return ""
    return f"takes {place.path} of {place.branch} from {repository.ref}, {_when(seen.release, place)}"


def _when(release: Release, place: Place) -> str:
    """When Flux builds a chart anew (fluxcd/source-controller internal/helm/chart/builder_local.go)."""
    if release.stamping.revision:
        return "at each commit (reconcileStrategy Revision)"
    return "once a version (each deployment has its own)" if place.unique else "once a version (ChartVersion)"
