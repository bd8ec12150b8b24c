from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dag_common.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from dag_sandbox.cluster.double import AlreadyExists, ClusterDouble
from dag_sandbox.cluster.history import Change
from dag_sandbox.cluster.resources import APPLICATIONS, CONFIG_MAPS, HELM_RELEASES, NAMESPACES, SECRETS
from dag_sandbox.cluster.selectors import Selection


def release(name: str = "podinfo", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"interval": "10m", **spec}}


@pytest.fixture
def cluster() -> ClusterDouble:
    return ClusterDouble()


def test_a_created_object_gets_what_only_the_server_gives(cluster: ClusterDouble) -> None:
    created = cluster.create(HELM_RELEASES, release() | {"status": {"history": []}})
    assert created["metadata"]["generation"] == 1
    assert created["metadata"]["uid"]
    assert created["metadata"]["resourceVersion"] == str(cluster.history.head)
    assert (created["apiVersion"], created["kind"]) == ("helm.toolkit.fluxcd.io/v2", "HelmRelease")
    assert created["status"] == {"observedGeneration": -1}


def test_a_name_is_taken_once(cluster: ClusterDouble) -> None:
    cluster.create(HELM_RELEASES, release())
    with pytest.raises(AlreadyExists, match="already exists"):
        cluster.create(HELM_RELEASES, release())


def test_generation_counts_changes_of_the_spec_only(cluster: ClusterDouble) -> None:
    cluster.create(HELM_RELEASES, release())
    cluster.merge_patch_status(HELM_RELEASES, "default", "podinfo", {"status": {"failures": 1}})
    noted = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}}
    assert cluster.merge_patch(HELM_RELEASES, "default", "podinfo", noted)["metadata"]["generation"] == 1
    changed = cluster.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": {"suspend": True}})
    assert changed["metadata"]["generation"] == 2
    assert changed["status"]["failures"] == 1


def test_status_and_the_rest_are_written_through_their_own_doors(cluster: ClusterDouble) -> None:
    cluster.create(HELM_RELEASES, release())
    both: dict[str, Any] = {"spec": {"interval": "1m"}, "status": {"failures": 3}}
    assert "failures" not in cluster.merge_patch(HELM_RELEASES, "default", "podinfo", both)["status"]
    both["spec"]["interval"] = "2m"
    patched = cluster.merge_patch_status(HELM_RELEASES, "default", "podinfo", both)
    assert (patched["spec"]["interval"], patched["status"]["failures"]) == ("1m", 3)


def test_an_argo_application_has_no_status_subresource(cluster: ClusterDouble) -> None:
    created = cluster.create(APPLICATIONS, release() | {"status": {"sync": {"status": "OutOfSync"}}})
    assert created["status"]["sync"]["status"] == "OutOfSync"
    patch = {"status": {"sync": {"status": "Synced"}}}
    assert cluster.merge_patch(APPLICATIONS, "default", "podinfo", patch)["metadata"]["generation"] == 2
    with pytest.raises(NotFound):
        cluster.merge_patch_status(APPLICATIONS, "default", "podinfo", patch)


def test_a_write_that_changes_nothing_is_no_event(cluster: ClusterDouble) -> None:
    created = cluster.create(HELM_RELEASES, release())
    assert cluster.replace(HELM_RELEASES, created) == created
    assert cluster.history.head == int(created["metadata"]["resourceVersion"])


def test_a_write_based_on_an_old_version_conflicts(cluster: ClusterDouble) -> None:
    old = cluster.create(HELM_RELEASES, release())
    cluster.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": {"interval": "1m"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        cluster.replace(HELM_RELEASES, old)


def test_a_finalizer_holds_a_deleted_object_until_it_is_removed(cluster: ClusterDouble) -> None:
    held = release()
    held["metadata"]["finalizers"] = ["finalizers.fluxcd.io"]
    cluster.create(HELM_RELEASES, held)
    assert "deletionTimestamp" in cluster.delete(HELM_RELEASES, "default", "podinfo")["metadata"]
    cluster.merge_patch(HELM_RELEASES, "default", "podinfo", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        cluster.get(HELM_RELEASES, "default", "podinfo")
    assert [change.type for change in cluster.history.after(1000)] == ["ADDED", "MODIFIED", "DELETED"]


def test_what_is_handed_out_is_a_copy(cluster: ClusterDouble) -> None:
    cluster.create(HELM_RELEASES, release())
    cluster.get(HELM_RELEASES, "default", "podinfo")["spec"]["interval"] = "changed"
    assert cluster.get(HELM_RELEASES, "default", "podinfo")["spec"]["interval"] == "10m"


def test_an_old_revision_can_be_read_again_until_history_forgets_it(cluster: ClusterDouble) -> None:
    cluster.create(HELM_RELEASES, release("one"))
    then = cluster.history.head
    cluster.create(HELM_RELEASES, release("two"))
    cluster.delete(HELM_RELEASES, "default", "one")
    assert [name for _, name in cluster.stored(HELM_RELEASES, at=then)] == ["one"]
    cluster.history.forget()
    with pytest.raises(Refused, match="too old resource version"):
        cluster.stored(HELM_RELEASES, at=then)
    with pytest.raises(Unavailable, match="Too large resource version"):
        cluster.history.after(cluster.history.head + 1)


def test_the_history_is_a_window() -> None:
    cluster = ClusterDouble(history=3)
    start = cluster.history.head
    for number in range(20):
        cluster.create(CONFIG_MAPS, {"metadata": {"name": f"map-{number}", "namespace": "default"}})
    assert len(cluster.history.after(cluster.history.oldest)) == 3
    with pytest.raises(Refused) as refused:
        cluster.history.after(start)
    assert refused.value.reason == "Expired"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("owner=helm", {"a", "b"}),
        ("owner==helm,name=web", {"a"}),
        ("owner!=helm", {"c"}),
        ("name in (web, api)", {"a", "b"}),
        ("name notin (web),owner", {"b"}),
        ("!owner", {"c"}),
    ],
)
def test_label_selectors_select(cluster: ClusterDouble, labels: str, found: set[str]) -> None:
    for name, given in {"a": {"owner": "helm", "name": "web"}, "b": {"owner": "helm", "name": "api"}, "c": {}}.items():
        cluster.create(SECRETS, {"metadata": {"name": name, "namespace": "default", "labels": given}})
    assert {obj["metadata"]["name"] for obj in cluster.list(SECRETS, Selection(labels=labels))} == found


def test_field_selectors_select_and_bad_ones_are_refused(cluster: ClusterDouble) -> None:
    cluster.create(HELM_RELEASES, release("one"))
    cluster.create(HELM_RELEASES, release("two"))
    found = cluster.list(HELM_RELEASES, Selection(fields="metadata.name=two,metadata.namespace=default"))
    assert [obj["metadata"]["name"] for obj in found] == ["two"]
    with pytest.raises(Invalid, match="field label not supported"):
        cluster.list(HELM_RELEASES, Selection(fields="colour=red"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata": {"name": "Upper", "namespace": "default"}},
        {"metadata": {"name": "one"}},
        {"kind": "Secret", "metadata": {"name": "one", "namespace": "default"}},
        {},
    ],
)
def test_an_object_that_kubernetes_would_refuse_is_refused(cluster: ClusterDouble, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        cluster.create(HELM_RELEASES, wrong)


def test_cluster_wide_kinds_have_no_namespace(cluster: ClusterDouble) -> None:
    cluster.create(NAMESPACES, {"metadata": {"name": "default"}})
    assert cluster.get(NAMESPACES, "", "default")["metadata"]["name"] == "default"


async def test_a_subscriber_sees_every_change_of_what_it_asked_for(cluster: ClusterDouble) -> None:
    since = cluster.history.head
    cluster.create(HELM_RELEASES, release())
    seen: list[Change] = []

    async def follow() -> None:
        async for change in cluster.subscribe(HELM_RELEASES, since=since):
            seen.append(change)
            if change.type == "DELETED":
                return

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    cluster.create(CONFIG_MAPS, {"metadata": {"name": "noise", "namespace": "default"}})
    cluster.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": {"suspend": True}})
    cluster.delete(HELM_RELEASES, "default", "podinfo")
    await asyncio.wait_for(following, 10)
    assert [change.type for change in seen] == ["ADDED", "MODIFIED", "DELETED"]
