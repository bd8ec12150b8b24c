"""What Flux's objects say, read into values: HelmRelease v2, its HelmChart and its GitRepository."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fields
from dag_monitor.domain.conditions import Conditions, conditions_of
from dag_monitor.domain.expectation import Object, Objects, Ref
from dag_monitor.domain.flux_versions import Stamping, commit_of, stamped_commit

_NEVER_OBSERVED: Final = -1
_ACTIONS: Final = ("install", "upgrade")
_HEADS: Final = "refs/heads/"
_USUAL_BRANCH: Final = "master"
"""What a GitRepository that names no reference follows (fluxcd/source-controller docs/spec/v1/gitrepositories.md)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One Helm release in `status.history` (fluxcd/helm-controller api/v2/snapshot_types.go); newest first there."""

    chart_name: str = ""
    chart_version: str = ""
    status: str = ""
    action: str = ""
    number: int = 0
    deployed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A HelmRelease. `failures` counts failed attempts of what `attempted` names, and is reset when that changes.

    If it `waits`, Helm's last action ended only when the objects were ready; else Ready tells nothing of pods.
    """

    ref: Ref
    suspended: bool
    deleting: bool
    observed: bool
    conditions: Conditions
    attempted: str
    failures: int
    history: tuple[Snapshot, ...]
    chart_path: str
    stamping: Stamping
    tested: bool
    waits: bool

    @property
    def latest(self) -> Snapshot:
        """The newest entry of the history; an empty one if there is none."""
        return self.history[0] if self.history else Snapshot()


@dataclass(frozen=True, slots=True)
class Chart:
    """A HelmChart: the version it built, when, and the commit it last looked at."""

    ref: Ref
    suspended: bool
    conditions: Conditions
    version: str
    built_at: datetime | None
    commit: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A GitRepository: what it follows, and the commit it holds, since `stored_at`.

    `branch` is empty if it follows none: then `pinned` says in words what it holds on to instead.
    """

    ref: Ref
    suspended: bool
    conditions: Conditions
    url: str
    branch: str
    pinned: str
    commit: str
    stored_at: datetime | None

    @property
    def reference(self) -> str:
        """The branch, or what it is pinned to."""
        return self.branch or self.pinned


@dataclass(frozen=True, slots=True)
class Observation:
    """The three objects of one release, as far as they exist and may be seen.

    `published` is what the chart comes from if git does not reach it.
    """

    release: Release | None
    chart: Chart | None = None
    repository: Repository | None = None
    published: Ref | None = None


def concerned(objects: Objects, target: RolloutTarget) -> tuple[Ref, ...]:
    """Which objects the judgement rests on, as far as they are known by now; their names come from the HelmRelease."""
    release = Ref("HelmRelease", target.namespace, target.name)
    obj = objects.get(release)
    if obj is None:
        return (release,)
    chart, source = _chart_ref(obj, release), source_of(objects, target)
    repository = source if source and source.kind == "GitRepository" else None
    return tuple(ref for ref in (release, chart, repository) if ref)


def source_of(objects: Objects, target: RolloutTarget) -> Ref | None:
    """What the chart is taken from: a GitRepository, or something that git does not reach; None if that is not told.

    fluxcd/helm-controller docs/spec/v2/helmreleases.md, "Chart template" and "Chart reference".
    """
    own = Ref("HelmRelease", target.namespace, target.name)
    release = objects.get(own)
    direct, template = fields.field(release, "spec", "chartRef"), fields.field(release, "spec", "chart")
    if fields.text(template, "kind") == "OCIRepository":
        return Ref("OCIRepository", own.namespace, _made_as(own))
    if direct is not None and fields.text(direct, "kind") != "HelmChart":
        return _named(direct, own.namespace)
    source = fields.field(template, "spec", "sourceRef")
    if source is not None or release is None:
        return _named(source, own.namespace)
    chart = _chart_ref(release, own)
    return _named(fields.field(objects.get(chart), "spec", "sourceRef"), chart.namespace) if chart else None


def observe(objects: Objects, target: RolloutTarget) -> Observation:
    """Read what there is of the target's objects."""
    found = {ref.kind: (ref, objects.get(ref)) for ref in concerned(objects, target)}
    release = _read(found, "HelmRelease")
    chart, repository = _read(found, "HelmChart"), _read(found, "GitRepository")
    source = source_of(objects, target)
    return Observation(
        release=_release(*release, chart[1] if chart else None) if release else None,
        chart=_chart(*chart) if chart else None,
        repository=_repository(*repository) if repository else None,
        published=source if source and source.kind != "GitRepository" else None,
    )


def revisions(objects: Objects, target: RolloutTarget) -> frozenset[str]:
    """The commits these objects name, some abbreviated."""
    seen = observe(objects, target)
    named = [one.commit for one in (seen.chart, seen.repository) if one]
    if seen.release is not None:
        versions = (seen.release.attempted, *(one.chart_version for one in seen.release.history))
        named += [stamped_commit(version, seen.release.stamping) for version in versions]
    return frozenset(filter(None, named))


def _read(found: dict[str, tuple[Ref, Object | None]], kind: str) -> tuple[Ref, Object] | None:
    ref, obj = found.get(kind, (None, None))
    return None if ref is None or obj is None else (ref, obj)


def _chart_ref(release: Object, own: Ref) -> Ref | None:
    direct = fields.field(release, "spec", "chartRef")
    if direct is not None:
        chart = _named(direct, own.namespace)
        return chart if chart and chart.kind == "HelmChart" else None
    if fields.text(release, "spec", "chart", "kind") not in ("", "HelmChart"):
        return None
    namespace, slash, name = fields.text(release, "status", "helmChart").partition("/")
    if slash:
        return Ref("HelmChart", namespace, name)
    source = fields.field(release, "spec", "chart", "spec", "sourceRef")
    return Ref("HelmChart", fields.text(source, "namespace") or own.namespace, _made_as(own))


def _made_as(release: Ref) -> str:
    """What helm-controller calls what it makes of a HelmRelease's chart template."""
    return f"{release.namespace}-{release.name}"


def _named(reference: Any, namespace: str) -> Ref | None:
    kind, name = fields.text(reference, "kind"), fields.text(reference, "name")
    return Ref(kind, fields.text(reference, "namespace") or namespace, name) if kind and name else None


def _release(ref: Ref, obj: Object, chart: Object | None) -> Release:
    template = fields.field(obj, "spec", "chart", "spec") or fields.field(chart, "spec")
    from_git = fields.text(template, "sourceRef", "kind") == "GitRepository"
    generation = fields.number(obj, "metadata", "generation")
    return Release(
        ref=ref,
        suspended=fields.flag(obj, "spec", "suspend"),
        deleting=bool(fields.text(obj, "metadata", "deletionTimestamp")),
        observed=generation == fields.number(obj, "status", "observedGeneration", default=_NEVER_OBSERVED),
        conditions=conditions_of(obj),
        attempted=fields.text(obj, "status", "lastAttemptedRevision"),
        failures=fields.number(obj, "status", "failures"),
        history=tuple(_snapshot(entry) for entry in fields.items(obj, "status", "history")),
        chart_path=fields.text(template, "chart") if from_git else "",
        stamping=_stamping(obj, template),
        tested=fields.flag(obj, "spec", "test", "enable"),
        waits=not any(fields.flag(obj, "spec", action, "disableWait") for action in _actions(obj)),
    )


def _actions(release: Object) -> tuple[str, ...]:
    """The action that was attempted last, or while that is not told both it may be."""
    last = fields.text(release, "status", "lastAttemptedReleaseAction")
    return (last,) if last in _ACTIONS else _ACTIONS


def _stamping(release: Object, template: Any) -> Stamping:
    return Stamping(
        revision=fields.text(template, "reconcileStrategy") == "Revision",
        generation=bool(fields.items(template, "valuesFiles")),
        digest=fields.text(release, "spec", "chartRef", "kind") == "OCIRepository",
    )


def _snapshot(entry: Any) -> Snapshot:
    return Snapshot(
        chart_name=fields.text(entry, "chartName"),
        chart_version=fields.text(entry, "chartVersion"),
        status=fields.text(entry, "status"),
        action=fields.text(entry, "action"),
        number=fields.number(entry, "version"),
        deployed_at=fields.instant(entry, "lastDeployed"),
    )


def _chart(ref: Ref, obj: Object) -> Chart:
    return Chart(
        ref=ref,
        suspended=fields.flag(obj, "spec", "suspend"),
        conditions=conditions_of(obj),
        version=fields.text(obj, "status", "artifact", "revision"),
        built_at=fields.instant(obj, "status", "artifact", "lastUpdateTime"),
        commit=commit_of(fields.text(obj, "status", "observedSourceArtifactRevision")),
    )


def _repository(ref: Ref, obj: Object) -> Repository:
    branch, pinned = _followed(fields.field(obj, "spec", "ref"))
    return Repository(
        ref=ref,
        suspended=fields.flag(obj, "spec", "suspend"),
        conditions=conditions_of(obj),
        url=fields.text(obj, "spec", "url"),
        branch=branch,
        pinned=pinned,
        commit=commit_of(fields.text(obj, "status", "artifact", "revision")),
        stored_at=fields.instant(obj, "status", "artifact", "lastUpdateTime"),
    )


def _followed(reference: Any) -> tuple[str, str]:
    """The branch, or else what it is pinned to; the later named field wins (gitrepositories.md, "Reference")."""
    for field in ("commit", "name", "semver", "tag"):
        if value := fields.text(reference, field):
            branch = value.removeprefix(_HEADS) if field == "name" and value.startswith(_HEADS) else ""
            return branch, "" if branch else f"{field} {value}"
    return fields.text(reference, "branch") or _USUAL_BRANCH, ""
