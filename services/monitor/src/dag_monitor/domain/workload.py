"""The judge of kind `workload`: one Deployment, StatefulSet, DaemonSet or Job, whatever brought it to the cluster.

A finished rollout proves nothing about our chart, and neither does a generation that changed after the push: anybody
may have changed the object. So the object has to name our chart: by `helm.sh/chart`, or, if it has no such label, by
an `app.kubernetes.io/version` that is the deployment's version. Without either label the rollout stays in progress,
says which label is missing, and ends with the timeout.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dag_common.contracts.events import Evidence, RolloutTarget
from dag_common.domain.deployment import Carried
from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Expectation, Object, Objects, Ref
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_monitor.domain.wording import sentences, told
from dag_monitor.domain.workload_identity import (
    CHART_LABEL,
    LONGEST,
    VERSION_LABEL,
    Labels,
    Origin,
    chart_label,
    mistakable,
    origin,
    taken_over_by,
    telling,
    told_as,
)
from dag_monitor.domain.workload_rollback import is_from_before, times_taken_back
from dag_monitor.domain.workload_standing import READ, UNSEEN, Standing

__all__ = ["assess", "concerned"]

_KINDS: Final = {kind.lower(): kind for kind in READ}
_USUAL: Final = "deployment"
"""What a target's name means that says no kind: `podinfo` is `deployment/podinfo`."""


def concerned(objects: Objects, target: RolloutTarget) -> tuple[Ref, ...]:  # noqa: ARG001  judges share one signature
    """The workload the target names, as `<kind>/<name>` or, for a Deployment, by its name alone."""
    return (_ref(target),)


def assess(objects: Objects, expectation: Expectation) -> Verdict:
    """How our chart stands in this one workload. Never raises on odd objects: what cannot be read proves nothing."""
    ref = _ref(expectation.target)
    obj = objects.get(ref)
    if obj is None:
        unseen = UNSEEN if ref.kind == "Job" else ""
        gone = any(origin(told_as(one.label), expectation) is Origin.OURS for one in expectation.carried)
        return Progressing(f"{ref} {'had our chart, and is gone' if gone else 'does not exist yet'}{unseen}")
    labels = telling(obj, expectation)
    evidence = Evidence(object=str(ref), revision=told(labels.values[0]) if labels.values else "", reason=labels.key)
    if fields.text(obj, "metadata", "deletionTimestamp"):
        return Progressing(f"{ref} is being deleted", evidence)
    carried = Carried(told(str(labels)), fields.number(obj, "metadata", "generation"))
    if origin(labels, expectation) is Origin.OURS:
        verdict = _standing(obj, expectation, evidence)
    else:
        verdict = _replaced(labels, carried, expectation, evidence)
    return replace(verdict, carried=carried) if isinstance(verdict, Progressing) and labels.key else verdict


def finished(obj: Object) -> bool:
    """Whether a workload has rolled out its own spec and is well, whoever wrote that."""
    read = READ.get(fields.text(obj, "kind"))
    return read is not None and read(obj).done


def _ref(target: RolloutTarget) -> Ref:
    kind, slash, name = target.name.partition("/")
    named = _KINDS.get(kind if slash else _USUAL, _KINDS[_USUAL])
    return Ref(named, target.namespace, name if slash else target.name)


def _standing(obj: Object, expected: Expectation, evidence: Evidence) -> Verdict:
    ref = _ref(expected.target)
    standing = READ[ref.kind](obj)
    chart = f"{expected.chart_name} {expected.chart_version}"
    if standing.done:
        how = "already runs, unchanged" if expected.unchanged else "runs"
        return Succeeded(sentences(f"{chart} {how} in {ref}: {standing.message}"), evidence)
    if standing.failure and _counts(standing, expected):
        return Failed(standing.failure, sentences(f"{chart} in {ref}: {standing.message}"), evidence)
    return Progressing(f"{ref} has {chart}: {standing.message}", evidence)


def _counts(standing: Standing, expected: Expectation) -> bool:
    """A deadline's condition may be left from an earlier spec, and `failAfter: 0` gives the pods until the timeout.

    Any other number is one here: the attempt does not end, so there is never a second to count.
    """
    if standing.final:
        return True
    since = expected.content_since
    stale = since is not None and standing.since is not None and standing.since < since.replace(microsecond=0)
    return bool(expected.target.fail_after) and not stale


def _replaced(labels: Labels, now: Carried, expected: Expectation, evidence: Evidence) -> Verdict:
    """The workload carries another chart than ours, not yet or not any more."""
    times, allowed = times_taken_back(now, expected), expected.target.fail_after
    superseded = _superseded(labels, expected, evidence, after_ours=bool(times))
    if superseded is not None:
        return superseded
    if 0 < allowed <= times and is_from_before(labels, expected):
        return Failed("rolled-back", _taken_back(labels, expected), evidence)
    return Progressing(_unproven(labels, expected), evidence)


def _taken_back(labels: Labels, expected: Expectation) -> str:
    ours = f"{expected.chart_name} {expected.chart_version}"
    return sentences(f"{_ref(expected.target)} was rolled back: it had {ours}, and carries {told(str(labels))} again")


def _superseded(labels: Labels, expected: Expectation, evidence: Evidence, *, after_ours: bool) -> Superseded | None:
    later = taken_over_by(labels, expected, after_ours=after_ours)
    if later is None:
        return None
    message = (
        f"Chart version {later.chart_version} from deployment {later.deployment_id} took over {_ref(expected.target)} "
        f"before {expected.chart_version} was seen healthy"
    )
    return Superseded(later.deployment_id, later.chart_version, later.commit, message, evidence)


def _unproven(labels: Labels, expected: Expectation) -> str:
    ref, wanted = _ref(expected.target), chart_label(expected.chart_name, expected.chart_version)
    match origin(labels, expected):
        case Origin.UNLABELLED:
            return (
                f"{ref} carries neither the label {CHART_LABEL} nor {VERSION_LABEL}, so nothing proves that it comes "
                f"from this chart: have the chart set {CHART_LABEL}: {wanted}"
            )
        case Origin.AMBIGUOUS:
            return f"{ref} carries {told(str(labels))}, {_mistakable(labels, expected)}"
        case _:
            said = wanted if labels.key == CHART_LABEL else expected.app_version or "the version of this deployment"
            return f"{ref} carries {told(str(labels))}; waiting for {labels.key}={said}"


def _mistakable(labels: Labels, expected: Expectation) -> str:
    """Why the label is no proof, and what would be one."""
    other = mistakable(labels, expected)
    before = told(other.chart_version) if other else ""
    if before == expected.chart_version:
        why, remedy = "another content had the same version before", "deploy with a version that was not used before"
    elif labels.key == CHART_LABEL:
        why = f"a label is cut at {LONGEST} characters, and chart {before} before ours had the same one"
        remedy = f"have the chart set {VERSION_LABEL} too"
    else:
        why = f"chart {before} before ours had the same app version"
        remedy = f"have the chart set {CHART_LABEL}, or deploy with a version that was not used before"
    return f"but {why}, so nothing proves which of both runs: {remedy}"
