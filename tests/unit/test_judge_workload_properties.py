"""Whatever a workload looks like, what the judge's success implies, read once more from the raw fields."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from workload_objects import AVAILABLE, CHART, DONE, EXCEEDED, KINDS, ROLLED_OUT, ROLLING, VERSION, expecting, judged

from dag_common.domain.deployment import Carried
from dag_monitor.domain.verdict import Succeeded

VERSIONS = ("1.2.2", "1.2.3", "1.2.4")
Pair = tuple[str, str]
OURS = {CHART: "podinfo-1.2.3", VERSION: "1.2.3"}
ANY_LABELS = st.fixed_dictionaries(
    {}, optional={CHART: st.sampled_from([f"podinfo-{one}" for one in VERSIONS]), VERSION: st.sampled_from(VERSIONS)}
)
LABELS = st.sampled_from([OURS, {CHART: OURS[CHART]}, {VERSION: "1.2.3"}, {}]) | ANY_LABELS
CONDITIONS: dict[str, list[dict[str, str]]] = {
    "deployment": [AVAILABLE, AVAILABLE | {"status": "False"}, ROLLED_OUT, ROLLING, EXCEEDED],
    "statefulset": [],
    "daemonset": [],
    "job": [{"type": type_, "status": "True"} for type_ in ("Complete", "Failed", "Suspended", "SuccessCriteriaMet")],
}
COUNTS = st.sampled_from([None, 0, 1, 2, 3])


@st.composite
def workloads(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Labels, counts, conditions and strategy drawn each for itself, around one that is finished."""
    status = dict(DONE[kind]["status"])
    for field in draw(st.sets(st.sampled_from(sorted(status.keys() - {"conditions"})), max_size=1)):
        odd = st.sampled_from(["podinfo-a", "podinfo-b"]) if field.endswith("Revision") else COUNTS
        status[field] = draw(odd)
    if CONDITIONS[kind] and draw(st.booleans()):
        any_of_them = st.lists(st.sampled_from(CONDITIONS[kind]), unique_by=lambda one: one["type"])
        status["conditions"] = draw(any_of_them)
    strategy = {"type": draw(st.sampled_from(["RollingUpdate", "RollingUpdate", "OnDelete"]))}
    partition = {"rollingUpdate": {"partition": draw(st.integers(0, 3))}} if kind == "statefulset" else {}
    spec = {
        "replicas": draw(st.sampled_from([None, 1, 2, 2, 2])),
        "paused": draw(st.sampled_from([False, False, True])),
        "updateStrategy": strategy | partition,
        "template": {"metadata": {"labels": draw(LABELS)}},
    }
    metadata = {"name": "podinfo", "generation": draw(st.sampled_from([4, 4, 4, 5])), "labels": draw(LABELS)}
    return {"kind": KINDS[kind], "metadata": metadata, "spec": spec, "status": status}


@settings(max_examples=400)
@given(
    data=st.data(),
    kind=st.sampled_from(sorted(DONE)),
    earlier=st.lists(st.tuples(st.sampled_from(VERSIONS), st.sampled_from(VERSIONS)), max_size=2),
    seen=st.lists(st.sampled_from(VERSIONS), max_size=2),
)
def test_success_means_labels_that_are_ours_alone_on_a_rollout_that_is_over(
    data: st.DataObject, kind: str, earlier: list[Pair], seen: list[str]
) -> None:
    obj = data.draw(workloads(kind))
    carried = tuple(Carried(f"{CHART}=podinfo-{version}", 3) for version in seen)
    verdict = judged(kind, obj, expecting("1.2.3", "1.2.3", *earlier, name=f"{kind}/podinfo", carried=carried))
    ours = names_ours_alone(obj, remaining(earlier, seen))
    event(f"{kind}: {type(verdict).__name__}")
    if isinstance(verdict, Succeeded):
        assert ours
        assert over(kind, obj)


def names_ours_alone(obj: dict[str, Any], earlier: list[Pair]) -> bool:
    """Each place that has the label names ours, and no earlier content would have it too."""
    places = (obj["metadata"]["labels"], obj["spec"]["template"]["metadata"]["labels"])
    charts = [place[CHART] for place in places if CHART in place]
    versions = [place[VERSION] for place in places if VERSION in place]
    old_charts, old_apps = {chart for chart, _ in earlier}, {app for _, app in earlier}
    by_chart = set(charts) == {"podinfo-1.2.3"} and "1.2.3" not in old_charts
    by_app = set(charts) <= {"podinfo-1.2.3"} and set(versions) == {"1.2.3"} and "1.2.3" not in old_apps
    return by_chart or by_app


def remaining(earlier: list[Pair], seen: list[str]) -> list[Pair]:
    """The earlier contents but for those with one above them that was seen since, and lies nowhere else below it."""
    charts = [chart for chart, _ in earlier]
    return [
        pair
        for place, pair in enumerate(earlier)
        if not any(chart in seen and chart not in charts[place:] for chart in charts[:place])
    ]


def over(kind: str, obj: dict[str, Any]) -> bool:
    """What `kubectl rollout status` and kstatus both call done; an OnDelete strategy once all pods are new."""
    conditions = {one["type"]: one for one in obj["status"].get("conditions", [])}
    true = {type_ for type_, one in conditions.items() if one["status"] == "True"}
    if kind == "job":
        return "Complete" in true and "Failed" not in true
    count = {name: value or 0 for name, value in obj["status"].items() if name != "conditions"}
    observed = count["observedGeneration"] >= obj["metadata"]["generation"]
    if kind == "daemonset":
        shares = ("updatedNumberScheduled", "numberReady", "numberAvailable")
        return observed and all(count[name] >= count["desiredNumberScheduled"] for name in shares)
    wanted = 1 if obj["spec"]["replicas"] is None else obj["spec"]["replicas"]
    if kind == "statefulset":
        return observed and count["readyReplicas"] >= wanted >= count["replicas"] and renewed(obj, count, wanted)
    progress = conditions.get("Progressing", ROLLED_OUT)["reason"] == "NewReplicaSetAvailable"
    least = min(count["readyReplicas"], count["availableReplicas"])
    new = count["updatedReplicas"] >= max(wanted, count["replicas"])
    return (
        observed
        and least >= count["updatedReplicas"]
        and new
        and progress
        and "Available" in true
        and not obj["spec"]["paused"]
    )


def renewed(obj: dict[str, Any], count: dict[str, Any], wanted: int) -> bool:
    """Whether all replicas of a StatefulSet that its strategy lets be new are."""
    same = count["currentRevision"] == count["updateRevision"]
    strategy = obj["spec"]["updateStrategy"]
    if strategy["type"] == "OnDelete":
        return bool(count["updatedReplicas"] >= wanted)
    partition = strategy["rollingUpdate"]["partition"]
    return same or 0 < partition < wanted <= count["updatedReplicas"] + partition
