"""The client and the cluster double, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from certificates import make_certificates
from starlette.responses import PlainTextResponse

from dag_common.errors import Conflict, Invalid, NotFound, Refused, Unavailable, Unreadable
from dag_monitor.cluster.access import Access, Credentials, StoredCredentials, from_file, literal
from dag_monitor.cluster.client import ClusterClient, WatchEvent, WatchFrom
from dag_monitor.cluster.failures import Expired
from dag_monitor.cluster.resources import GIT_REPOSITORIES, HELM_RELEASES, SECRETS, Query, Resource
from dag_sandbox.cluster import resources as double_resources
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.serving import ClusterApi
from dag_sandbox.serving import serve

RELEASES = Query(HELM_RELEASES, "default")


@pytest.fixture
async def api() -> AsyncIterator[ClusterApi]:
    async with ClusterApi(ClusterDouble()) as served:
        yield served


@pytest.fixture
async def client(api: ClusterApi) -> AsyncIterator[ClusterClient]:
    made = client_of(api)
    yield made
    await made.aclose()


def client_of(api: ClusterApi, **more: Any) -> ClusterClient:
    return ClusterClient("prod", Access(api.url, StoredCredentials(token=lambda: api.token), **more))


def put(cluster: ClusterDouble, name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    obj = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return cluster.put(double_resources.HELM_RELEASES, obj)


async def watched(client: ClusterClient, query: Query, since: str, seconds: int = 1) -> list[WatchEvent]:
    async with client.watch(query, WatchFrom(since, seconds, idle_seconds=5)) as events:
        return [event async for event in events]


async def test_a_list_comes_in_pages_and_whole(api: ClusterApi, client: ClusterClient) -> None:
    for number in range(1001):
        put(api.cluster, f"release-{number:04}")
    put(api.cluster, "elsewhere", "other")
    listing = await client.list(RELEASES)
    assert [item["metadata"]["name"] for item in listing.items] == [f"release-{number:04}" for number in range(1001)]
    assert listing.resource_version == str(api.cluster.history.head)
    assert len((await client.list(Query(HELM_RELEASES))).items) == 1002


async def test_a_page_that_expired_begins_the_list_anew(api: ClusterApi, client: ClusterClient) -> None:
    for number in range(501):
        put(api.cluster, f"release-{number:04}")
    real_stored, calls = api.cluster.stored, []

    def forgetful(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            put(api.cluster, "late")
            api.cluster.history.forget()
        return real_stored(*args, **kwargs)

    api.cluster.stored = forgetful  # type: ignore[method-assign]
    listing = await client.list(RELEASES)
    assert len(listing.items) == 502
    assert len(calls) == 4


async def test_selectors_and_metadata_only_reach_the_server(api: ClusterApi, client: ClusterClient) -> None:
    for name, owner in (("sh.helm.release.v1.web.v1", "helm"), ("password", "someone")):
        metadata = {"name": name, "namespace": "default", "labels": {"owner": owner}}
        api.cluster.create(double_resources.SECRETS, {"metadata": metadata, "data": {"release": "c2VjcmV0"}})
    query = Query(SECRETS, "default", label_selector="owner=helm", metadata_only=True)
    listing = await client.list(query)
    assert [item["metadata"]["name"] for item in listing.items] == ["sh.helm.release.v1.web.v1"]
    assert "data" not in listing.items[0]
    events = await watched(client, query, "0")
    assert (events[0].object["kind"], "data" in events[0].object) == ("PartialObjectMetadata", False)
    named = Query(SECRETS, field_selector="metadata.name=password")
    assert [item["metadata"]["name"] for item in (await client.list(named)).items] == ["password"]


async def test_listed_and_watched_objects_look_the_same(api: ClusterApi, client: ClusterClient) -> None:
    api.cluster.create(double_resources.SECRETS, {"metadata": {"name": "one", "namespace": "default"}})
    listed = (await client.list(Query(SECRETS, "default"))).items
    assert [event.object for event in await watched(client, Query(SECRETS, "default"), "0")][:1] == listed


async def test_a_watch_tells_what_changed_and_ends_with_a_bookmark_after_its_timeout(
    api: ClusterApi, client: ClusterClient
) -> None:
    since = put(api.cluster, "web")["metadata"]["resourceVersion"]
    put(api.cluster, "web", interval="1m")
    api.cluster.delete(double_resources.HELM_RELEASES, "default", "web")
    put(api.cluster, "elsewhere", "other")
    events = await watched(client, RELEASES, since)
    assert [event.type for event in events] == ["MODIFIED", "DELETED", "BOOKMARK"]
    assert events[-1].object["metadata"]["resourceVersion"] == str(api.cluster.history.head)


async def test_an_object_that_stops_matching_is_gone_for_its_watcher(api: ClusterApi, client: ClusterClient) -> None:
    obj = {"metadata": {"name": "one", "namespace": "default", "labels": {"name": "web"}}}
    since = api.cluster.create(double_resources.SECRETS, obj)["metadata"]["resourceVersion"]
    relabel = {"metadata": {"labels": {"name": "api"}}}
    api.cluster.merge_patch(double_resources.SECRETS, "default", "one", relabel)
    events = await watched(client, Query(SECRETS, "default", label_selector="name in (web)"), since)
    assert [event.type for event in events][:1] == ["DELETED"]


async def test_a_kick_changes_the_annotation_and_not_the_generation(api: ClusterApi, client: ClusterClient) -> None:
    source = {"metadata": {"name": "iac", "namespace": "flux-system"}, "spec": {"url": "https://git.example/iac"}}
    api.cluster.create(double_resources.GIT_REPOSITORIES, source)
    patch = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}}
    patched = await client.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", patch)
    assert patched["metadata"]["annotations"] == {"reconcile.fluxcd.io/requestedAt": "1"}
    assert (await client.get(GIT_REPOSITORIES, "flux-system", "iac"))["metadata"]["generation"] == 1


async def test_a_missing_object_and_a_missing_kind_are_named(client: ClusterClient) -> None:
    with pytest.raises(NotFound, match=r'cannot get helmreleases.* default/web of cluster \'prod\'.*"web" not found'):
        await client.get(HELM_RELEASES, "default", "web")
    with pytest.raises(NotFound, match=r"cannot list widgets\.example\.org in all namespaces of cluster 'prod'"):
        await client.list(Query(Resource("example.org", "v1", "widgets", "Widget")))


async def test_a_missing_right_is_named(api: ClusterApi, client: ClusterClient) -> None:
    api.cluster.faults.add(Fault(action="respond", status=403, message='User "dag" cannot watch', verb="watch"))
    with pytest.raises(Refused, match=r"cannot watch helmreleases.*grant the verb 'watch'") as no:
        await watched(client, RELEASES, "0")
    assert no.value.reason == "Forbidden"


@pytest.mark.parametrize("status", [429, 500, 503, 504])
async def test_a_busy_server_says_when_to_come_back(api: ClusterApi, client: ClusterClient, status: int) -> None:
    api.cluster.faults.add(Fault(action="respond", status=status, retry_after=7))
    with pytest.raises(Unavailable) as busy:
        await client.list(RELEASES)
    assert busy.value.retry_after == 7


async def test_expiry_is_recognised_as_an_answer_and_as_an_event(api: ClusterApi, client: ClusterClient) -> None:
    put(api.cluster, "web")
    api.cluster.history.forget()
    with pytest.raises(Expired, match="too old resource version"):
        await watched(client, RELEASES, "1000")
    api.cluster.faults.add(Fault(action="expire"))
    with pytest.raises(Expired, match="too old resource version"):
        await watched(client, RELEASES, str(api.cluster.history.head))
    with pytest.raises(Expired, match="Too large resource version") as early:
        await watched(client, RELEASES, "999999")
    assert early.value.retry_after == 1


async def test_an_error_event_is_the_error_it_carries(api: ClusterApi, client: ClusterClient) -> None:
    api.cluster.faults.add(Fault(action="error", status=500, message="etcdserver: leader changed"))
    with pytest.raises(Unavailable, match="leader changed"):
        await watched(client, RELEASES, "0")


async def test_a_connection_broken_in_mid_line_is_unavailable_and_the_half_line_no_event(
    api: ClusterApi, client: ClusterClient
) -> None:
    put(api.cluster, "web")
    api.cluster.faults.add(Fault(action="reset"))
    with pytest.raises(Unavailable, match="the connection broke"):
        await watched(client, RELEASES, "0")


async def test_silence_is_noticed(api: ClusterApi, client: ClusterClient) -> None:
    api.cluster.faults.add(Fault(action="silence"))
    with pytest.raises(Unavailable, match="no answer in time"):
        async with client.watch(RELEASES, WatchFrom("0", 60, idle_seconds=0.05)) as events:
            assert [event async for event in events] == []


async def test_a_rotated_token_is_read_again_once(api: ClusterApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{api.token}\n")
    client = ClusterClient("prod", Access(api.url, StoredCredentials(token=from_file(file))))
    await client.list(RELEASES)
    file.write_text(api.cluster.rotate_token())
    await client.list(RELEASES)
    api.cluster.rotate_token()
    with pytest.raises(Refused, match="does not accept our credentials") as refused:
        await client.list(RELEASES)
    assert refused.value.reason == "Unauthorized"
    assert api.token not in str(refused.value)
    await client.aclose()


async def test_a_401_reads_credentials_once_for_all_who_met_it(api: ClusterApi) -> None:
    reads: list[bool] = []

    class Source:
        def read(self, *, refused: bool) -> Credentials:
            reads.append(refused)
            return Credentials(token=api.token)

    client = ClusterClient("prod", Access(api.url, Source()))
    await client.list(RELEASES)
    api.cluster.rotate_token()
    await client.list(RELEASES)
    assert reads == [False, True]
    await client.aclose()


async def test_credentials_that_never_come_hold_up_no_other_cluster(api: ClusterApi, client: ClusterClient) -> None:
    released = threading.Event()

    class Hanging:
        def read(self, *, refused: bool) -> Credentials:
            released.wait()
            return Credentials()

    stuck = [ClusterClient(f"stuck-{number}", Access("http://127.0.0.1:1", Hanging())) for number in range(50)]
    waiting = [asyncio.create_task(each.list(RELEASES)) for each in stuck]
    try:
        async with asyncio.timeout(20):
            assert (await client.list(RELEASES)).items == []
    finally:
        released.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        for each in stuck:
            await each.aclose()


async def test_nobody_listening_is_unavailable(api: ClusterApi) -> None:
    client = ClusterClient("prod", Access("http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match=r"cannot list .* no connection"):
        await client.list(RELEASES)
    await client.aclose()


@pytest.mark.parametrize("answer", ["<html>Sign in</html>", "[]", '{"kind":"Odd","items":[]}'])
async def test_an_answer_that_is_no_list_is_unreadable(answer: str) -> None:
    async with serve(PlainTextResponse(answer)) as url:
        client = ClusterClient("prod", Access(url))
        with pytest.raises(Unreadable, match="cannot list helmreleases"):
            await client.list(RELEASES)
        await client.aclose()


async def test_tls_trusts_the_given_authority_only(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    async with ClusterApi(ClusterDouble(), certificate=made.certificate, private_key=made.key) as api:
        trusting = client_of(api, ca=from_file(made.authority))
        assert (await trusting.list(RELEASES)).items == []
        await trusting.aclose()
        named = client_of(api, ca=from_file(made.authority), tls_server_name="localhost")
        assert (await named.list(RELEASES)).items == []
        await named.aclose()
        misnamed = client_of(api, ca=from_file(made.authority), tls_server_name="other.example")
        with pytest.raises(Unavailable, match=r"other\.example"):
            await misnamed.list(RELEASES)
        await misnamed.aclose()
        distrusting = client_of(api)
        with pytest.raises(Unavailable, match="is the cluster's CA configured"):
            await distrusting.list(RELEASES)
        await distrusting.aclose()
        careless = client_of(api, insecure_skip_tls_verify=True)
        assert (await careless.list(RELEASES)).items == []
        await careless.aclose()


async def test_a_rotated_authority_is_taken_up_while_old_watches_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dag_monitor.cluster.channel._REREAD_SECONDS", 0.0)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = make_certificates(tmp_path / "old"), make_certificates(tmp_path / "new")
    bundle = tmp_path / "ca.pem"
    bundle.write_text(old.authority.read_text())
    cluster = ClusterDouble()
    async with ClusterApi(cluster, certificate=old.certificate, private_key=old.key) as api:
        client = client_of(api, ca=from_file(bundle))
        async with client.watch(RELEASES, WatchFrom("0", 60, idle_seconds=5)) as events:
            bundle.write_text(new.authority.read_text())
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await client.list(RELEASES)
            put(cluster, "web")
            assert (await anext(events)).type == "ADDED"
        bundle.write_text(old.authority.read_text())
        assert len((await client.list(RELEASES)).items) == 1
        await client.aclose()


@pytest.mark.parametrize("pem", ["not pem", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"])
async def test_an_authority_that_is_no_certificate_is_named(api: ClusterApi, pem: str) -> None:
    client = client_of(api, ca=literal(pem))
    with pytest.raises(Invalid, match="the cluster's CA is not a PEM certificate"):
        await client.list(RELEASES)
    await client.aclose()


async def test_curl_can_seed_read_and_break_the_double(api: ClusterApi) -> None:
    url = f"{api.url}/apis/helm.toolkit.fluxcd.io/v2/namespaces/default/helmreleases"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {api.token}"}) as http:
        body = {"metadata": {"name": "web"}, "spec": {"interval": "1m"}}
        assert (await http.post(url, json=body)).status_code == 201
        again = await http.post(url, json=body)
        assert (again.status_code, again.json()["reason"]) == (409, "AlreadyExists")
        merge = {"Content-Type": "application/merge-patch+json"}
        status = await http.patch(f"{url}/web/status", json={"status": {"failures": 2}}, headers=merge)
        assert status.json()["status"]["failures"] == 2
        assert (await http.patch(f"{url}/web", json={})).status_code == 415
        current = (await http.get(f"{url}/web")).json()
        current["spec"]["interval"] = "2m"
        assert (await http.put(f"{url}/web", json=current)).json()["metadata"]["generation"] == 2
        assert (await http.put(f"{url}/web", json=current)).status_code == 409
        assert (await http.get(f"{url}?labelSelector=a%20b")).status_code == 400
        assert (await http.delete(f"{url}/web")).status_code == 200
        assert (await http.get(f"{url}/web")).json()["code"] == 404


async def test_curl_can_break_the_double_and_rotate_its_token(api: ClusterApi) -> None:
    url = f"{api.url}/apis/helm.toolkit.fluxcd.io/v2/namespaces/default/helmreleases"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {api.token}"}) as http:
        wrong = await http.post(f"{api.url}/_faults", json={"action": "explode"})
        assert wrong.status_code == 400
        await http.post(f"{api.url}/_faults", json={"action": "respond", "status": 503, "retryAfter": 2})
        assert (await http.get(url)).headers["retry-after"] == "2"
        kinds = (await http.get(f"{api.url}/apis/helm.toolkit.fluxcd.io/v2")).json()["resources"]
        assert [kind["name"] for kind in kinds] == ["helmreleases"]
        token = (await http.post(f"{api.url}/_token")).json()["token"]
        assert (await http.get(url)).status_code == 401
        assert (await http.get(url, headers={"Authorization": f"Bearer {token}"})).status_code == 200


async def test_a_write_based_on_an_old_version_is_a_conflict(api: ClusterApi, client: ClusterClient) -> None:
    old = put(api.cluster, "web")["metadata"]["resourceVersion"]
    put(api.cluster, "web", interval="1m")
    with pytest.raises(Conflict):
        await client.merge_patch(HELM_RELEASES, "default", "web", {"metadata": {"resourceVersion": old}})


async def test_a_sample_is_bounded_and_its_items_are_complete(api: ClusterApi, client: ClusterClient) -> None:
    for number in range(5):
        put(api.cluster, f"release-{number}")
    sample = await client.sample(RELEASES, 3)
    assert [item["metadata"]["name"] for item in sample] == ["release-0", "release-1", "release-2"]
    assert {item["kind"] for item in sample} == {"HelmRelease"}


async def test_a_log_is_asked_for_by_container_run_and_length_and_read_whatever_its_bytes_are() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        request = httpx.QueryParams(scope["query_string"].decode())
        asked.append((scope["path"], dict(request)))
        await PlainTextResponse(b"caf\xe9\n")(scope, receive, send)

    async with serve(answer) as url:
        client = ClusterClient("prod", Access(url))
        assert await client.log("shop", "web-1", "web", previous=True, lines=10) == "caf\ufffd\n"
        await client.aclose()
    ((path, parameters),) = asked
    assert path == "/api/v1/namespaces/shop/pods/web-1/log"
    assert parameters == {"container": "web", "previous": "true", "tailLines": "10", "limitBytes": "16384"}
