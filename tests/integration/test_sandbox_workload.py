"""The sandbox's workload controllers: what a watcher sees of each write, and what the judge makes of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from conditions import until
from played_cluster import (
    AFTER,
    QUICK,
    MortalDouble,
    changes,
    chart,
    deaths,
    expectation,
    later,
    sick,
    told,
    verdict,
    verdicts,
)

from dag_common.errors import Invalid
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, Object
from dag_sandbox.reconcilers import manifests
from dag_sandbox.reconcilers.outcomes import SYMPTOMS, Outcome, outcome_of, outcome_written
from dag_sandbox.reconcilers.workloads import WorkloadControllers

KEY = ("default", "podinfo")
HASH = "pod-template-hash"


def apply(double: ClusterDouble, version: str, outcome: Outcome | None = None, **spec: Any) -> int:
    """What `kubectl apply` would do; returns the revision before it."""
    wanted, since = manifests.deployment(KEY, chart(version), outcome or Outcome()), double.history.head
    wanted["spec"] |= spec
    here = any(one["metadata"]["name"] == KEY[1] for one in double.list(DEPLOYMENTS))
    double.put(DEPLOYMENTS, manifests.applied(double.get(DEPLOYMENTS, *KEY), wanted) if here else wanted)
    return since


def progress(obj: Object) -> str:
    conditions = (obj.get("status") or {}).get("conditions", [])
    return next((one["reason"] for one in conditions if one["type"] == "Progressing"), "")


def rolled_out(double: ClusterDouble, version: str = "1.2.3") -> Callable[[], bool]:
    def done() -> bool:
        obj = double.get(DEPLOYMENTS, *KEY)
        status, labels = obj.get("status") or {}, obj["metadata"]["labels"]
        seen = status.get("observedGeneration") == obj["metadata"]["generation"]
        counts = {status.get(name) for name in ("updatedReplicas", "replicas", "availableReplicas")}
        return bool(seen and counts == {obj["spec"]["replicas"]} and labels["helm.sh/chart"] == f"podinfo-{version}")

    return done


def given_up(double: ClusterDouble) -> bool:
    return progress(double.get(DEPLOYMENTS, *KEY)) == "ProgressDeadlineExceeded"


def new_pod(double: ClusterDouble) -> Object:
    """A pod of the newest ReplicaSet, found as a person would find it."""
    sets = double.list(REPLICA_SETS)
    newest = max(sets, key=lambda one: int(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))
    mark = newest["metadata"]["labels"][HASH]
    return next(pod for pod in double.list(PODS) if pod["metadata"]["labels"][HASH] == mark)


def container(pod: Object) -> dict[str, Any]:
    found: dict[str, Any] = (pod.get("status") or {}).get("containerStatuses", [{}])[0]
    return found


def waits_for(double: ClusterDouble, reason: str) -> Callable[[], bool]:
    def met() -> bool:
        with contextlib.suppress(StopIteration):
            return bool(container(new_pod(double)).get("state", {}).get("waiting", {}).get("reason") == reason)
        return False

    return met


@pytest.fixture
async def double() -> AsyncIterator[ClusterDouble]:
    """A cluster where 1.2.2 runs."""
    cluster = ClusterDouble()
    async with WorkloadControllers(cluster, pace=QUICK):
        apply(cluster, "1.2.2")
        await until(rolled_out(cluster, "1.2.2"))
        yield cluster


async def test_a_rollout_is_told_write_by_write_as_the_deployment_controller_does(double: ClusterDouble) -> None:
    since = apply(double, "1.2.3")
    await until(rolled_out(double))
    seen = [
        (
            change.object["metadata"]["generation"] - change.object["status"]["observedGeneration"],
            progress(change.object),
            *(change.object["status"].get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")),
        )
        for change in changes(double, DEPLOYMENTS, since=since)
    ]
    assert list(dict.fromkeys(seen)) == [
        (1, "NewReplicaSetAvailable", 2, 2, 2),  # the new spec, with the old status: stale, and looks done
        (1, "NewReplicaSetCreated", 2, 2, 2),  # told before the generation counts as observed
        (0, "NewReplicaSetCreated", 2, 0, 2),
        (0, "ReplicaSetUpdated", 3, 1, 2),
        (0, "ReplicaSetUpdated", 3, 1, 3),
        (0, "ReplicaSetUpdated", 2, 1, 2),
        (0, "ReplicaSetUpdated", 3, 2, 2),
        (0, "ReplicaSetUpdated", 3, 2, 3),
        (0, "NewReplicaSetAvailable", 2, 2, 2),
    ]


async def test_a_clean_rollout_is_a_success_with_the_last_write_and_not_before(double: ClusterDouble) -> None:
    expected, since = expectation("workload", "podinfo"), apply(double, "1.2.3")
    await until(rolled_out(double))
    said = verdicts(double, expected, since=since)
    assert [type(one) for one in said] == [Progressing] * (len(said) - 1) + [Succeeded]
    assert any("has not seen the new spec yet" in message for message in told(said))
    assert said[-1].message == "podinfo 1.2.3 runs in Deployment default/podinfo: 2 replicas are available."


async def test_each_template_has_its_replica_set_its_hash_and_its_number(double: ClusterDouble) -> None:
    apply(double, "1.2.3")
    await until(rolled_out(double))
    numbers = {
        one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: one["spec"]["replicas"]
        for one in double.list(REPLICA_SETS)
    }
    assert numbers == {"1": 0, "2": 2}
    assert double.get(DEPLOYMENTS, *KEY)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert len({pod["metadata"]["labels"][HASH] for pod in double.list(PODS)}) == 1


@pytest.mark.parametrize("symptom", [one for one in SYMPTOMS if one != "quota"])
async def test_pods_that_do_not_come_up_end_at_the_progress_deadline(double: ClusterDouble, symptom: str) -> None:
    expected, since = expectation("workload", "podinfo"), apply(double, "1.2.3", sick("fail", symptom))
    await until(lambda: given_up(double))
    said = verdicts(double, expected, since=since)
    assert [type(one) for one in said[:-1]] == [Progressing] * (len(said) - 1)
    assert isinstance(said[-1], Failed)
    assert said[-1].reason == "progress-deadline-exceeded"
    assert "has timed out progressing" in said[-1].message
    assert double.get(DEPLOYMENTS, *KEY)["status"]["availableReplicas"] == 2


async def test_an_image_that_cannot_be_pulled_says_why_in_both_of_its_states(double: ClusterDouble) -> None:
    since = apply(double, "1.2.3", sick("fail", "image-pull", "manifest unknown"))
    await until(waits_for(double, "ImagePullBackOff"))
    image = "registry.example.com/podinfo:no-such-tag"
    states = [container(change.object).get("state", {}) for change in changes(double, PODS, since=since)]
    waits = [state["waiting"] for state in states if "waiting" in state]
    assert waits[:3] == [
        {"reason": "ContainerCreating"},
        {"reason": "ErrImagePull", "message": "manifest unknown"},
        {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}": ErrImagePull: manifest unknown'},
    ]
    assert new_pod(double)["spec"]["containers"][0]["image"] == image


@pytest.mark.parametrize(
    ("symptom", "code", "reason"), [("crash-loop", 1, "Error"), ("out-of-memory", 137, "OOMKilled")]
)
async def test_a_crash_loop_shows_how_it_ended_last_and_what_it_wrote(
    double: ClusterDouble, symptom: str, code: int, reason: str
) -> None:
    apply(double, "1.2.3", sick("fail", symptom, "cannot open database"))
    await until(lambda: waits_for(double, "CrashLoopBackOff")() and container(new_pod(double))["restartCount"])
    pod = new_pod(double)
    ended = container(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert double.logs.read(pod, "podinfo", tail=1) == "cannot open database\n"


async def test_a_pod_without_a_node_says_what_the_scheduler_said(double: ClusterDouble) -> None:
    apply(double, "1.2.3", sick("stuck"))
    await until(lambda: any(event["reason"] == "FailedScheduling" for event in double.list(EVENTS)))
    (scheduled,) = new_pod(double)["status"]["conditions"]
    assert (scheduled["type"], scheduled["status"], scheduled["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert scheduled["message"].startswith("0/3 nodes are available")


@pytest.mark.parametrize(
    ("symptom", "reason", "words"),
    [
        ("not-ready", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
        ("volume", "FailedMount", 'MountVolume.SetUp failed for volume "data"'),
        ("config-error", "Failed", 'configmap "podinfo-config" not found'),
        ("crash-loop", "BackOff", "Back-off restarting failed container podinfo"),
    ],
)
async def test_events_tell_what_statuses_do_not(double: ClusterDouble, symptom: str, reason: str, words: str) -> None:
    apply(double, "1.2.3", sick("fail", symptom))

    def counted() -> list[Object]:
        return [one for one in double.list(EVENTS) if one["reason"] == reason and one["count"] > 1]

    await until(counted)
    (event,) = counted()
    assert words in event["message"]
    assert (event["type"], event["involvedObject"]["name"]) == ("Warning", new_pod(double)["metadata"]["name"])


async def test_a_quota_lets_no_pod_come_and_the_deployment_repeats_its_words(double: ClusterDouble) -> None:
    expected = expectation("workload", "podinfo")
    since = apply(double, "1.2.3", sick("fail", "quota", "exceeded quota: compute"))
    await until(lambda: given_up(double))
    said = verdict(double, expected, since=since)
    assert isinstance(said, Failed)
    assert "Pods cannot be created" in said.message
    assert "exceeded quota: compute" in said.message
    assert [event["reason"] for event in double.list(EVENTS)] == ["FailedCreate"]
    assert {event["involvedObject"]["kind"] for event in double.list(EVENTS)} == {"ReplicaSet"}


async def test_a_failure_then_a_success_is_a_failure_to_the_hasty_and_a_success_to_the_patient(
    double: ClusterDouble,
) -> None:
    hasty, patient = (expectation("workload", "podinfo", fail_after=count) for count in (1, 0))
    since = apply(double, "1.2.3", sick("retry-then-succeed"))
    await until(rolled_out(double))
    verdict_of = [type(verdict(double, one, since=since)) for one in (hasty, patient)]
    assert verdict_of == [Failed, Succeeded]


async def test_a_rollout_that_is_undone_never_looks_like_a_success(double: ClusterDouble) -> None:
    expected, since = expectation("workload", "podinfo", fail_after=0), apply(double, "1.2.3", sick("fail"))
    await until(lambda: given_up(double))
    apply(double, "1.2.2")
    await until(rolled_out(double, "1.2.2"))
    said = verdicts(double, expected, since=since)
    assert {type(one) for one in said} == {Progressing}
    assert "carries helm.sh/chart=podinfo-1.2.2; waiting for" in said[-1].message
    notes = [one["metadata"]["annotations"] for one in double.list(REPLICA_SETS)]
    assert sorted(note["deployment.kubernetes.io/revision"] for note in notes) == ["2", "3"]


async def test_a_stuck_rollout_has_no_verdict_and_the_next_one_supersedes_it(double: ClusterDouble) -> None:
    expected, since = expectation("workload", "podinfo"), apply(double, "1.2.3", sick("stuck"))
    await until(lambda: any(event["reason"] == "FailedScheduling" for event in double.list(EVENTS)))
    assert {type(one) for one in verdicts(double, expected, since=since)} == {Progressing}
    apply(double, "1.2.4")
    await until(rolled_out(double, "1.2.4"))
    ours = expectation("workload", "podinfo", later=(later("1.2.4"),))
    assert isinstance(verdict(double, ours, since=since), Superseded)
    newest = expectation("workload", "podinfo", "1.2.4", "1.2.3", commit=AFTER)
    assert isinstance(verdict(double, newest, since=since), Succeeded)


async def test_a_paused_deployment_is_named_as_such_and_goes_on_when_resumed(double: ClusterDouble) -> None:
    expected, since = expectation("workload", "podinfo"), apply(double, "1.2.3", paused=True)
    await until(lambda: progress(double.get(DEPLOYMENTS, *KEY)) == "DeploymentPaused" or _observed(double))
    assert "it is paused" in verdicts(double, expected, since=since)[-1].message
    double.merge_patch(DEPLOYMENTS, *KEY, {"spec": {"paused": None}})
    await until(rolled_out(double))
    assert isinstance(verdict(double, expected, since=since), Succeeded)


def _observed(double: ClusterDouble) -> bool:
    obj = double.get(DEPLOYMENTS, *KEY)
    return bool(obj["status"]["observedGeneration"] == obj["metadata"]["generation"])


async def test_somebody_who_scales_meanwhile_delays_the_success_and_does_not_prevent_it(double: ClusterDouble) -> None:
    expected, since = expectation("workload", "podinfo"), apply(double, "1.2.3")
    double.merge_patch(DEPLOYMENTS, *KEY, {"spec": {"replicas": 5}})
    await until(lambda: rolled_out(double)() and double.get(DEPLOYMENTS, *KEY)["status"]["replicas"] == 5)
    said = verdict(double, expected, since=since)
    assert isinstance(said, Succeeded)
    assert "5 replicas are available" in said.message


async def test_a_pod_that_somebody_deletes_is_made_again(double: ClusterDouble) -> None:
    victim = double.list(PODS)[0]["metadata"]
    double.delete(PODS, victim["namespace"], victim["name"])
    await until(lambda: len(double.list(PODS)) == 2)


async def test_recreate_lets_all_old_pods_go_before_a_new_one_comes(double: ClusterDouble) -> None:
    since = apply(double, "1.2.3", strategy={"type": "Recreate"})
    await until(rolled_out(double))
    moves = [change.type for change in changes(double, PODS, since=since) if change.type != "MODIFIED"]
    assert moves == ["DELETED", "DELETED", "ADDED", "ADDED"]


async def test_what_a_deleted_deployment_controlled_goes_with_it(double: ClusterDouble) -> None:
    double.delete(DEPLOYMENTS, *KEY)
    await until(lambda: not double.list(PODS) and not double.list(REPLICA_SETS))


@pytest.mark.parametrize(("outcome", "verdict_type"), [("succeed", Succeeded), ("retry-then-succeed", Succeeded)])
async def test_controllers_that_die_after_every_single_write_get_there(outcome: str, verdict_type: type) -> None:
    double = MortalDouble()
    async with WorkloadControllers(double, pace=QUICK):
        apply(double, "1.2.2")
        await until(rolled_out(double, "1.2.2"))
    expected, since = expectation("workload", "podinfo", fail_after=0), apply(double, "1.2.3", sick(outcome))
    lives = 0
    while not rolled_out(double)() and lives < 500:
        double.left, lives = 1, lives + 1
        with deaths():
            async with WorkloadControllers(double, pace=QUICK):
                await until(lambda: double.left == 0 or rolled_out(double)())
    double.left = None
    said = verdicts(double, expected, since=since)
    assert lives > 15
    assert isinstance(said[-1], verdict_type)
    assert {type(one) for one in said[:-1]} == {Progressing}


def test_a_fate_survives_being_written_on_a_pod_template_and_a_wrong_one_is_refused() -> None:
    fate = Outcome("fail", "no space left", 2.0, "volume")
    assert outcome_written(fate.written()) == fate
    assert outcome_written("") == Outcome()
    with pytest.raises(Invalid, match=r"sandbox\.symptom is 'cough', it must be one of image-pull, crash-loop"):
        outcome_of({"sandbox": {"outcome": "fail", "symptom": "cough"}})
