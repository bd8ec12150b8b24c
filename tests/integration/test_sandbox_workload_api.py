"""What the double answers beside objects: logs of containers, and refusals where rights are too narrow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from conditions import until
from played_cluster import QUICK, chart, sick

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.resources import DEPLOYMENTS, PODS
from dag_sandbox.cluster.serving import ClusterApi
from dag_sandbox.reconcilers.manifests import deployment
from dag_sandbox.reconcilers.workloads import WorkloadControllers

PODS_PATH = "/api/v1/namespaces/default/pods"


@pytest.fixture
async def api() -> AsyncIterator[ClusterApi]:
    async with ClusterApi(ClusterDouble()) as served, WorkloadControllers(served.cluster, pace=QUICK):
        yield served


@pytest.fixture
async def http(api: ClusterApi) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {api.token}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers) as client:
        yield client


async def crashing_pod(double: ClusterDouble) -> str:
    double.create(DEPLOYMENTS, deployment(("default", "podinfo"), chart("1.2.3", replicas=1), sick("fail")))
    await until(lambda: any(restarts(pod) > 1 for pod in double.list(PODS)))
    return str(double.list(PODS)[0]["metadata"]["name"])


def restarts(pod: dict[str, Any]) -> int:
    return int((pod.get("status") or {}).get("containerStatuses", [{}])[0].get("restartCount", 0))


async def test_the_last_lines_of_a_crash_can_be_read(api: ClusterApi, http: httpx.AsyncClient) -> None:
    name = await crashing_pod(api.cluster)
    path = f"{PODS_PATH}/{name}/log"
    answer = await http.get(path, params={"container": "podinfo", "previous": "true", "tailLines": 1})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "panic: no connection to the database\n"
    assert (await http.get(path)).text == "starting\npanic: no connection to the database\n"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"container": "sidecar"}, "container sidecar is not valid for pod"),
        ({"container": "podinfo"}, "is waiting to start: ImagePullBackOff"),
        ({"previous": "true"}, 'previous terminated container "podinfo" in pod'),
        ({"follow": "true"}, "follows no logs"),
    ],
)
async def test_where_there_is_no_log_the_answer_says_why(
    api: ClusterApi, http: httpx.AsyncClient, params: dict[str, str], words: str
) -> None:
    wanted = deployment(("default", "podinfo"), chart("1.2.3", replicas=1), sick("fail", "image-pull"))
    api.cluster.create(DEPLOYMENTS, wanted)
    await until(lambda: "ImagePullBackOff" in str(api.cluster.list(PODS)))
    name = api.cluster.list(PODS)[0]["metadata"]["name"]
    double = api.cluster
    await until(lambda: '{"reason": "ImagePullBackOff"' in str(double.list(PODS)).replace("'", '"'))
    answer = await http.get(f"{PODS_PATH}/{name}/log", params=params)
    assert answer.status_code == 400
    assert words in answer.json()["message"].replace("ErrImagePull", "ImagePullBackOff")


async def test_logs_are_for_pods_only_and_of_pods_that_exist(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{PODS_PATH}/nobody/log")).status_code == 404
    assert (await http.get("/apis/apps/v1/namespaces/default/deployments/podinfo/log")).status_code == 404


async def test_rights_too_narrow_are_refused_in_the_words_of_the_api_server(
    api: ClusterApi, http: httpx.AsyncClient
) -> None:
    fault = {"action": "forbid", "verb": "list", "resource": "pods", "namespace": "default", "times": 0}
    assert (await http.post("/_faults", json=fault)).status_code == 200
    for _ in range(2):
        answer = await http.get(PODS_PATH)
        assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
    assert answer.json()["message"] == (
        'pods is forbidden: User "system:serviceaccount:dag:dag" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )
    assert (await http.get("/api/v1/namespaces/other/pods")).status_code == 200
    assert (await http.get("/api/v1/pods")).status_code == 200
    assert (await http.get("/api/v1/namespaces/default/events")).status_code == 200
    await http.delete("/_faults")
    assert (await http.get(PODS_PATH)).status_code == 200


async def test_the_right_to_logs_is_one_of_its_own(api: ClusterApi, http: httpx.AsyncClient) -> None:
    name = await crashing_pod(api.cluster)
    api.cluster.faults.add(Fault(action="forbid", resource="pods/log", times=0))
    answer = await http.get(f"{PODS_PATH}/{name}/log")
    assert answer.status_code == 403
    assert f'pods "{name}" is forbidden' in answer.json()["message"]
    assert 'cannot get resource "pods/log" in API group ""' in answer.json()["message"]
    assert (await http.get(f"{PODS_PATH}/{name}")).status_code == 200


async def test_a_watch_for_all_namespaces_is_refused_at_the_cluster_scope(
    api: ClusterApi, http: httpx.AsyncClient
) -> None:
    api.cluster.faults.add(Fault(action="forbid", verb="watch", times=0))
    answer = await http.get("/apis/apps/v1/replicasets", params={"watch": "1"})
    assert answer.status_code == 403
    assert answer.json()["message"].startswith("replicasets.apps is forbidden")
    assert answer.json()["message"].endswith("at the cluster scope")
