"""Whether a Helm release or a workload shows what its judge goes by; either may come with the first deployment."""

from __future__ import annotations

from collections.abc import Iterator

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fields, workload
from dag_monitor.domain.expectation import Object, Objects, Ref
from dag_monitor.domain.fit import Fit, Place, Remark, not_yet
from dag_monitor.domain.helm_observation import releases
from dag_monitor.domain.wording import told
from dag_monitor.domain.workload_identity import CHART_LABEL, VERSION_LABEL, naming


def fit_release(objects: Objects, target: RolloutTarget, place: Place) -> Fit:  # noqa: ARG001  kinds share one signature
    """Whether Helm can go on with the release; nothing in it tells where its charts come from."""
    newest = next(iter(releases(objects, target)), None)
    if newest is None:
        return not_yet("Helm release")
    stands = f"the release is at version {newest.number}, {told(newest.status) or 'in no known state'}"
    if not newest.pending:
        return Fit(stands)
    remedy = f"if it stays so, helm rollback {target.name} -n {target.namespace}: Helm does nothing else until then"
    return Fit(stands, (Remark(f"{stands}: Helm is at work, or was killed", remedy, grave=False),))


def fit_workload(objects: Objects, target: RolloutTarget, place: Place) -> Fit:
    """Whether the workload says from which chart it comes."""
    (ref,) = workload.concerned(objects, target)
    obj = objects.get(ref)
    if obj is None:
        return not_yet("Job (a finished one may have removed itself)" if ref.kind == "Job" else ref.kind)
    return Fit(f"the {ref.kind} carries {told(str(naming(obj)))}", tuple(_unproven(ref, obj, place)))


def _unproven(ref: Ref, obj: Object, place: Place) -> Iterator[Remark]:
    labels, have = naming(obj), f"have the chart set {CHART_LABEL} to its name and version"
    if fields.text(obj, "metadata", "deletionTimestamp"):
        yield Remark(f"the {ref.kind} is being deleted", "check again when it is gone", grave=False)
    if not labels.key:
        words = f"the {ref.kind} carries neither the label {CHART_LABEL} nor {VERSION_LABEL}: nothing tells whose it is"
        yield Remark(words, have)
    if len(set(labels.values)) > 1:
        yield Remark(f"the {ref.kind} and its pods differ: {told(str(labels))}", f"{have}, on both")
    if labels.key == VERSION_LABEL and place.unique:
        words = f"the {ref.kind} carries {VERSION_LABEL} alone, which other content under one version has too"
        yield Remark(words, f"{have}, which chartVersion: unique makes the deployment's own", grave=False)
