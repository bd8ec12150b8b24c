"""StatefulSets, DaemonSets and Jobs of the sandbox: their writes in order, and the judge's word on each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from conditions import until
from played_cluster import QUICK, changes, chart, expectation, sick, told, verdict, verdicts

from dag_monitor.domain.verdict import Failed, Progressing, Succeeded
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DAEMON_SETS, EVENTS, JOBS, PODS, STATEFUL_SETS, Object, Resource
from dag_sandbox.reconcilers.manifests import applied, deployment
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.workloads import WorkloadControllers

KEY = ("default", "podinfo")


@pytest.fixture
async def double() -> AsyncIterator[ClusterDouble]:
    cluster = ClusterDouble()
    async with WorkloadControllers(cluster, pace=QUICK):
        yield cluster


def apply(double: ClusterDouble, resource: Resource, version: str, outcome: Outcome | None = None, **spec: Any) -> int:
    wanted, since = deployment(KEY, chart(version), outcome or Outcome()), double.history.head
    for unknown in ("strategy", "progressDeadlineSeconds"):
        del wanted["spec"][unknown]
    wanted["spec"] |= spec
    here = any(one["metadata"]["name"] == KEY[1] for one in double.list(resource))
    double.put(resource, applied(double.get(resource, *KEY), wanted) if here else wanted)
    return since


def job(double: ClusterDouble, outcome: Outcome | None = None, **spec: Any) -> int:
    template = deployment(KEY, chart("1.2.3"), outcome or Outcome())["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    return apply(double, JOBS, "1.2.3", template=template, **spec)


def status(double: ClusterDouble, resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = double.get(resource, *KEY).get("status") or {}
    return found


def settled(double: ClusterDouble, pods: int = 2) -> Callable[[], bool]:
    def met() -> bool:
        now = status(double, STATEFUL_SETS)
        seen = now.get("observedGeneration") == double.get(STATEFUL_SETS, *KEY)["metadata"]["generation"]
        same = now.get("currentRevision") == now.get("updateRevision")
        return bool(seen and same and now.get("readyReplicas") == pods)

    return met


def spread(double: ClusterDouble) -> bool:
    now = status(double, DAEMON_SETS)
    seen = now.get("observedGeneration") == double.get(DAEMON_SETS, *KEY)["metadata"]["generation"]
    return bool(seen and now.get("updatedNumberScheduled") == now.get("numberAvailable") == 3)


def conditions(obj: Object) -> list[str]:
    return [one["type"] for one in (obj.get("status") or {}).get("conditions", []) if one["status"] == "True"]


async def test_a_stateful_set_is_replaced_from_the_highest_number_down(double: ClusterDouble) -> None:
    apply(double, STATEFUL_SETS, "1.2.2")
    await until(settled(double))
    expected, since = expectation("workload", "statefulset/podinfo"), apply(double, STATEFUL_SETS, "1.2.3")
    await until(settled(double))
    moves = [(one.type, one.key[1]) for one in changes(double, PODS, since=since) if one.type != "MODIFIED"]
    assert moves == [("DELETED", "podinfo-1"), ("ADDED", "podinfo-1"), ("DELETED", "podinfo-0"), ("ADDED", "podinfo-0")]
    said = verdicts(double, expected, since=since)
    assert [type(one) for one in said] == [Progressing] * (len(said) - 1) + [Succeeded]
    shown = changes(double, STATEFUL_SETS, since=since)
    revisions = [one.object["status"]["currentRevision"] == one.object["status"]["updateRevision"] for one in shown]
    assert list(dict.fromkeys(revisions)) == [True, False]  # old and same; then new; and the same again at the end
    assert revisions[-1]


async def test_the_partition_of_a_stateful_set_keeps_the_lower_numbers_old(double: ClusterDouble) -> None:
    apply(double, STATEFUL_SETS, "1.2.2")
    await until(settled(double))
    policy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    expected = expectation("workload", "statefulset/podinfo")
    since = apply(double, STATEFUL_SETS, "1.2.3", updateStrategy=policy)
    await until(lambda: isinstance(verdicts(double, expected, since=since)[-1], Succeeded))
    now = status(double, STATEFUL_SETS)
    assert (now["updatedReplicas"], now["currentReplicas"], now["readyReplicas"]) == (1, 1, 2)
    assert now["currentRevision"] != now["updateRevision"]


async def test_a_broken_pod_stops_a_stateful_set_and_nothing_calls_that_failed(double: ClusterDouble) -> None:
    apply(double, STATEFUL_SETS, "1.2.2")
    await until(settled(double))
    expected = expectation("workload", "statefulset/podinfo")
    since = apply(double, STATEFUL_SETS, "1.2.3", sick("fail"))
    await until(lambda: any(one["reason"] == "BackOff" for one in double.list(EVENTS)))
    apply(double, STATEFUL_SETS, "1.2.2")  # upstream's known issue: the pod has to be deleted by hand
    await until(lambda: status(double, STATEFUL_SETS)["observedGeneration"] == 3)
    assert {type(one) for one in verdicts(double, expected, since=since)} == {Progressing}
    double.delete(PODS, "default", "podinfo-1")
    await until(settled(double))


async def test_a_stateful_set_that_recovers_is_a_success(double: ClusterDouble) -> None:
    expected = expectation("workload", "statefulset/podinfo")
    since = apply(double, STATEFUL_SETS, "1.2.3", sick("retry-then-succeed"))
    await until(settled(double))
    assert isinstance(verdict(double, expected, since=since), Succeeded)


async def test_a_daemon_set_replaces_one_pod_at_a_time(double: ClusterDouble) -> None:
    apply(double, DAEMON_SETS, "1.2.2")
    await until(lambda: spread(double))
    expected, since = expectation("workload", "daemonset/podinfo"), apply(double, DAEMON_SETS, "1.2.3")
    await until(lambda: spread(double))
    said = verdicts(double, expected, since=since)
    assert [type(one) for one in said] == [Progressing] * (len(said) - 1) + [Succeeded]
    shown = [one.object["status"] for one in changes(double, DAEMON_SETS, since=since)]
    assert min(one["numberReady"] for one in shown) == 2
    assert [one.get("updatedNumberScheduled", 0) for one in shown[1:]] == sorted(
        one.get("updatedNumberScheduled", 0) for one in shown[1:]
    )
    moves = [one.type for one in changes(double, PODS, since=since) if one.type != "MODIFIED"]
    assert moves == ["DELETED", "ADDED"] * 3


async def test_a_daemon_set_updated_by_hand_waits_and_says_so(double: ClusterDouble) -> None:
    apply(double, DAEMON_SETS, "1.2.2")
    await until(lambda: spread(double))
    expected = expectation("workload", "daemonset/podinfo")
    since = apply(double, DAEMON_SETS, "1.2.3", updateStrategy={"type": "OnDelete"})
    await until(lambda: status(double, DAEMON_SETS)["observedGeneration"] == 2)
    assert "somebody has to delete the others" in verdicts(double, expected, since=since)[-1].message
    for pod in double.list(PODS):
        double.delete(PODS, "default", pod["metadata"]["name"])
    await until(lambda: spread(double))
    assert isinstance(verdict(double, expected, since=since), Succeeded)


async def test_a_job_announces_its_end_before_it_tells_it(double: ClusterDouble) -> None:
    since = job(double)
    await until(lambda: "Complete" in conditions(double.get(JOBS, *KEY)))
    told_of = [tuple(conditions(change.object)) for change in changes(double, JOBS, since=since)]
    assert list(dict.fromkeys(told_of)) == [(), ("SuccessCriteriaMet",), ("SuccessCriteriaMet", "Complete")]
    said = verdicts(double, expectation("workload", "job/podinfo"), since=since)
    assert [type(one) for one in said] == [Progressing] * (len(said) - 1) + [Succeeded]
    assert "the job runs: 1 pods active, 0 succeeded, 0 failed" in "".join(told(said))


async def test_a_job_fails_when_more_pods_failed_than_its_limit(double: ClusterDouble) -> None:
    since = job(double, sick("fail"), backoffLimit=1)
    await until(lambda: "Failed" in conditions(double.get(JOBS, *KEY)))
    said = verdicts(double, expectation("workload", "job/podinfo"), since=since)
    assert {type(one) for one in said[:-1]} == {Progressing}
    assert isinstance(said[-1], Failed)
    assert said[-1].message.endswith("BackoffLimitExceeded). Job has reached the specified backoff limit.")
    assert status(double, JOBS)["failed"] == 2
    assert {pod["status"]["phase"] for pod in double.list(PODS)} == {"Failed"}


async def test_a_job_whose_first_pod_fails_may_still_succeed(double: ClusterDouble) -> None:
    since = job(double, sick("retry-then-succeed"))
    await until(lambda: "Complete" in conditions(double.get(JOBS, *KEY)))
    assert (status(double, JOBS)["failed"], status(double, JOBS)["succeeded"]) == (1, 1)
    assert isinstance(verdict(double, expectation("workload", "job/podinfo"), since=since), Succeeded)


async def test_a_suspended_job_waits_until_it_is_resumed(double: ClusterDouble) -> None:
    since = job(double, suspend=True)
    await until(lambda: "Suspended" in conditions(double.get(JOBS, *KEY)))
    expected = expectation("workload", "job/podinfo")
    assert "is suspended" in verdicts(double, expected, since=since)[-1].message
    double.merge_patch(JOBS, *KEY, {"spec": {"suspend": False}})
    await until(lambda: "Complete" in conditions(double.get(JOBS, *KEY)))
    assert isinstance(verdict(double, expected, since=since), Succeeded)


@pytest.mark.parametrize("resource", [STATEFUL_SETS, DAEMON_SETS, JOBS], ids=lambda one: one.kind)
async def test_a_quota_is_told_by_the_controller_that_met_it(double: ClusterDouble, resource: Resource) -> None:
    if resource == JOBS:
        job(double, sick("fail", "quota"))
    else:
        apply(double, resource, "1.2.3", sick("fail", "quota"))
    await until(lambda: double.list(EVENTS))
    (event,) = double.list(EVENTS)
    assert (event["reason"], event["involvedObject"]["kind"]) == ("FailedCreate", resource.kind)
    assert not double.list(PODS)
