"""Each symptom of a failed rollout in the words that a CI job's author reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flux_objects import PUSHED_AT, merged
from hypothesis import given
from hypothesis import strategies as st

from dag_monitor.domain.explanation import LINES, Family, Scene, explain, of_interest, worth_reading
from dag_monitor.domain.explanation_pods import new_pods, selector
from dag_monitor.domain.explanation_symptoms import Container

REVISION = "deployment.kubernetes.io/revision"
AFTER = (PUSHED_AT + timedelta(seconds=5)).isoformat()
LONG_BEFORE = (PUSHED_AT - timedelta(hours=5)).isoformat()


def owned(kind: str, name: str, owner: str = "", **more: Any) -> dict[str, Any]:
    references = [{"uid": owner, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": AFTER, "labels": {}}
    return merged({"kind": kind, "metadata": metadata | {"ownerReferences": references}}, more)


def annotated(revision: str) -> dict[str, Any]:
    return {"annotations": {REVISION: revision}}


DEPLOYMENT = owned("Deployment", "web", metadata=annotated("2"))
OLD, NEW = (owned("ReplicaSet", f"web-{n}", "web", metadata=annotated(str(n))) for n in (1, 2))


def pod(name: str = "web-2-a", owner: str = "web-2", **status: Any) -> dict[str, Any]:
    return owned("Pod", name, owner, status=status)


def container(state: Any, **more: Any) -> dict[str, Any]:
    one = {"name": "web", "image": "shop:9", "ready": False, "restartCount": 0, "state": state}
    return {"phase": "Pending", "containerStatuses": [one | more]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


RUNNING: dict[str, Any] = {"running": {"startedAt": AFTER}}


def event(obj: Any, reason: str, message: str, at: str = AFTER) -> dict[str, Any]:
    involved = {
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "namespace": "shop",
        "uid": obj["metadata"]["uid"],
    }
    return {"involvedObject": involved, "reason": reason, "message": message, "lastTimestamp": at, "type": "Warning"}


def scene(*pods: Any, workload: Any = DEPLOYMENT, between: Any = (OLD, NEW), **more: Any) -> Scene:
    return Scene(pushed_at=PUSHED_AT, families=(Family(workload, between, pods),), **more)


NOT_FOUND = 'failed to resolve reference "shop:9": not found'
SYMPTOMS = {
    "an image that is pulled again": (
        pod(**container(waiting("ImagePullBackOff", f'Back-off pulling image "shop:9": ErrImagePull: {NOT_FOUND}'))),
        (),
        f'Pod web-2-a: cannot pull image "shop:9": {NOT_FOUND}',
    ),
    "an image of an older kubelet, whose cause stands in an event": (
        pod(**container(waiting("ImagePullBackOff", 'Back-off pulling image "shop:9"'))),
        (("Failed", "Error: ImagePullBackOff"), ("Failed", f'Failed to pull image "shop:9": {NOT_FOUND}')),
        f'Pod web-2-a: cannot pull image "shop:9": Failed to pull image "shop:9": {NOT_FOUND}',
    ),
    "an image that must be there": (
        pod(**container(waiting("ErrImageNeverPull", "not present with pull policy of Never"))),
        (),
        'Pod web-2-a: cannot pull image "shop:9": not present with pull policy of Never',
    ),
    "a crash loop": (
        pod(**container(waiting("CrashLoopBackOff", "back-off 10s"), lastState=ended(1), restartCount=5)),
        (),
        'Pod web-2-a: container "web" keeps crashing (exit code 1, 5 restarts)',
    ),
    "a crash loop that runs at this moment": (
        pod(**container(RUNNING, lastState=ended(137, "OOMKilled"), restartCount=1)),
        (),
        'Pod web-2-a: container "web" keeps crashing (exit code 137, OOMKilled, 1 restart)',
    ),
    "a first crash": (
        pod(**container(ended(2, signal=11))),
        (),
        'Pod web-2-a: container "web" crashed (exit code 2, signal 11)',
    ),
    "an init container that crashes": (
        pod(initContainerStatuses=[{"name": "migrate", "state": waiting("CrashLoopBackOff"), "lastState": ended(3)}]),
        (),
        'Pod web-2-a: container "migrate" keeps crashing (exit code 3)',
    ),
    "a missing config map": (
        pod(**container(waiting("CreateContainerConfigError", 'configmap "web" not found'))),
        (),
        'Pod web-2-a: container "web" cannot be started: configmap "web" not found (CreateContainerConfigError)',
    ),
    "something the kubelet calls an error": (
        pod(**container(waiting("PreCreateHookError", "no"))),
        (),
        'Pod web-2-a: container "web" waits (PreCreateHookError): no',
    ),
    "no node": (
        pod(
            phase="Pending",
            conditions=[
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/3 nodes are available: 3 Insufficient cpu.",
                }
            ],
        ),
        (),
        "Pod web-2-a: cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu.",
    ),
    "a volume": (
        pod(**container(waiting("ContainerCreating"))),
        (("FailedMount", 'secret "web-data" not found'),),
        'Pod web-2-a: cannot use a volume: secret "web-data" not found',
    ),
    "a probe": (
        pod(**(container(RUNNING) | {"phase": "Running"})),
        (("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),),
        'Pod web-2-a: container "web" is not well: Readiness probe failed: HTTP probe failed with statuscode: 503',
    ),
    "a probe of which no event is left": (
        pod(**(container(RUNNING) | {"phase": "Running"})),
        (),
        'Pod web-2-a: container "web" runs and is not ready',
    ),
    "an eviction": (
        pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
        (),
        "Pod web-2-a: ended (Evicted): The node was low on resource: memory.",
    ),
}


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_symptom_is_told_in_one_line(symptom: str) -> None:
    sick, events, told = SYMPTOMS[symptom]
    seen = scene(sick, events=[event(sick, *each) for each in events])
    assert explain(seen) == (told,)


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_pod_with_a_symptom_is_one_whose_events_are_asked_for(symptom: str) -> None:
    sick, *_ = SYMPTOMS[symptom]
    assert sick in of_interest(scene(sick))


def test_a_pod_that_is_well_is_no_finding() -> None:
    well = pod(
        phase="Running", containerStatuses=[{"name": "web", "ready": True, "state": RUNNING, "lastState": ended(1)}]
    )
    assert explain(scene(well)) == ()
    assert worth_reading(scene(well)) == []


QUOTA = 'pods "web-2-" is forbidden: exceeded quota: compute'


@pytest.mark.parametrize(
    ("workload", "maker"),
    [
        (DEPLOYMENT, NEW),
        *((owned(kind, "web"), owned(kind, "web")) for kind in ("StatefulSet", "DaemonSet", "Job")),
    ],
)
def test_pods_that_may_not_be_created_are_told_from_the_event_of_whoever_should(workload: Any, maker: Any) -> None:
    events = [event(maker, "FailedCreate", "stale", LONG_BEFORE), event(maker, "FailedCreate", QUOTA)]
    told = explain(scene(workload=workload, events=events))
    assert told == (f"{workload['kind']} web: pods cannot be created: {QUOTA}",)
    assert maker in of_interest(scene(workload=workload))


def test_pods_that_may_not_be_created_are_told_once_from_condition_and_event() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
    workload = merged(DEPLOYMENT, {"status": {"conditions": [failure]}})
    told = explain(scene(workload=workload, events=[event(NEW, "FailedCreate", QUOTA)]))
    assert told == (f"Deployment web: pods cannot be created: {QUOTA}",)


CRASHED = pod(**container(waiting("CrashLoopBackOff"), lastState=ended(1), restartCount=5))
WEB = Container("shop", "web-2-a", "web", previous=False)


def test_a_crash_is_followed_by_the_last_words_of_the_container() -> None:
    seen = scene(CRASHED, logs={WEB: "starting\n\n\x1b[31mpanic: no database\x1b[0m\ngoroutine 1\u202e\r\n"})
    assert worth_reading(seen) == [WEB]
    _, *words = explain(seen)
    assert words == ["  web: panic: no database", "  web: goroutine 1"]


def test_the_log_of_a_container_that_runs_again_is_read_of_the_run_before() -> None:
    sick = pod(**container(RUNNING, lastState=ended(1), restartCount=1))
    assert [each.previous for each in worth_reading(scene(sick))] == [True]


def test_lines_are_bounded_and_keep_no_password_of_a_url() -> None:
    seen = scene(CRASHED, logs={WEB: f"dial postgres://dag:hunter2@db/shop {'x' * 5000}"})
    *_, logged = explain(seen)
    assert len(logged) < 220
    assert "hunter2" not in logged


def test_pods_that_suffer_the_same_are_one_finding() -> None:
    pods = [pod(name, **container(waiting("ErrImagePull", NOT_FOUND))) for name in ("a", "b", "c")]
    assert explain(scene(*pods)) == (f'Pod a (and 2 more): cannot pull image "shop:9": {NOT_FOUND}',)


def test_the_most_telling_comes_first_and_there_are_never_more_lines_than_can_be_read() -> None:
    pods = [sick for sick, _, _ in SYMPTOMS.values()]
    told = explain(scene(*pods, rights=["list events in namespace shop", "get pods/log in namespace shop"]))
    assert len(told) == LINES
    assert "cannot pull image" in told[0]
    assert told[-1] == ("DAG lacks the right to list events in namespace shop and to get pods/log in namespace shop")


def test_only_the_new_revision_s_pods_are_told_of() -> None:
    old = pod("old", "web-1", **container(waiting("ErrImagePull", "from long ago")))
    assert explain(scene(merged(old, {"metadata": {"creationTimestamp": LONG_BEFORE}}))) == ()


def test_after_a_rollback_the_pods_that_came_since_the_push_are_told_of() -> None:
    back = merged(DEPLOYMENT, {"metadata": annotated("3")})
    again = merged(OLD, {"metadata": annotated("3")})
    told = explain(scene(CRASHED, workload=back, between=(again, NEW)))
    assert told[0].startswith("Pod web-2-a: container")


def test_pods_from_before_the_push_are_told_as_such() -> None:
    old = merged(CRASHED, {"metadata": {"creationTimestamp": LONG_BEFORE}})
    assert explain(scene(old))[0].startswith("Pod web-2-a (from before this push): container")


def test_where_replica_sets_may_not_be_read_every_pod_of_the_selector_counts() -> None:
    assert explain(scene(CRASHED, between=()))[0].startswith("Pod web-2-a: container")


def hashed(name: str, value: str, owner: str = "web") -> dict[str, Any]:
    return owned("Pod", name, owner, metadata={"labels": {"controller-revision-hash": value}})


def test_the_new_pods_of_a_stateful_set_carry_its_update_revision() -> None:
    workload = owned("StatefulSet", "web", status={"updateRevision": "web-2"})
    pods = [hashed("a", "web-1"), hashed("b", "web-2"), hashed("c", "web-2", "somebody")]
    assert [each["metadata"]["name"] for each in new_pods(workload, (), pods)] == ["b"]


def test_the_new_pods_of_a_daemon_set_carry_the_hash_of_its_newest_controller_revision() -> None:
    revisions = [
        merged(owned("ControllerRevision", f"web-{n}", "web"), {"revision": n, "metadata": {"labels": {
            "controller-revision-hash": str(n)}}})
        for n in (9, 10)
    ]  # fmt: skip
    pods = [hashed("a", "9"), hashed("b", "10")]
    workload = owned("DaemonSet", "web")
    assert [each["metadata"]["name"] for each in new_pods(workload, revisions, pods)] == ["b"]


def test_pods_on_their_way_out_are_nobodys() -> None:
    assert new_pods(owned("Job", "web"), (), [owned("Pod", "a", "web", metadata={"deletionTimestamp": AFTER})]) == []


def test_what_helm_and_argo_cd_say_comes_after_the_pods() -> None:
    released = {"type": "Released", "status": "False", "reason": "UpgradeFailed", "message": "template: no field Foo"}
    helm = {"kind": "HelmRelease", "status": {"conditions": [released]}}
    assert explain(scene(CRASHED, owner=helm))[-1] == "Helm: template: no field Foo"
    argo = {
        "kind": "Application",
        "status": {
            "operationState": {
                "syncResult": {
                    "resources": [
                        {"kind": "Service", "name": "web", "status": "SyncFailed", "message": "port is taken"},
                        {"kind": "ConfigMap", "name": "web", "status": "Synced", "message": "configured"},
                    ]
                }
            },
            "resources": [{"kind": "Deployment", "name": "web", "health": {"status": "Degraded", "message": "late"}}],
        },
    }
    assert explain(scene(owner=argo)) == (
        "Service web: was not applied: port is taken",
        "Deployment web: is degraded: late",
    )


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "Pod", "Job", "Failed", "web"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "kind", "metadata", "status", "containerStatuses", "state", "waiting", "terminated", "reason", "message",
            "conditions", "name", "labels", "spec", "selector", "matchLabels", "ownerReferences", "uid", "exitCode",
        ]),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(odd, max_size=3), odd, st.lists(odd, max_size=2))
def test_no_odd_object_makes_an_explanation_fail(pods: list[Any], workload: Any, events: list[Any]) -> None:
    seen = scene(*pods, workload=workload, between=pods, owner=workload, events=events)
    assert len(explain(seen)) <= LINES
    assert isinstance(of_interest(seen), list)
    assert isinstance(selector(workload), str)
