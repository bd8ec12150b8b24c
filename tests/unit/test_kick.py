"""When a reconciler is told of a push, with what, and when it is left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flux_objects import EARLIER, NEWER, OURS, REPOSITORY, expectation, flux, merged, without

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import Conflict, Refused, Unavailable
from dag_monitor.domain.expectation import Ref, Relation
from dag_monitor.domain.kick import REFRESH, REQUESTED_AT, Kick, due, token
from dag_monitor.handlers.kicking import Kicking

APP = Ref("Application", "argocd", "shop")
ARGO = RolloutTarget(kind="argocd", cluster="prod", namespace="argocd", name="shop", timeout_seconds=600)
BEFORE = {"metadata": {"resourceVersion": "7"}, "status": {"artifact": {"revision": f"main@sha1:{EARLIER}"}}}


def repository(*changes: Any) -> dict[Ref, Any]:
    patch: Any = BEFORE
    for change in changes:
        patch = merged(patch, change)
    return flux("before", repository=patch)


def asked(value: str, answered: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": {REQUESTED_AT: value}}, "status": {"lastHandledReconcileAt": answered}}


def application(revision: str, **annotations: str) -> dict[Ref, Any]:
    metadata = {"name": "shop", "namespace": "argocd", "resourceVersion": "7", "annotations": annotations}
    return {APP: {"kind": "Application", "metadata": metadata, "status": {"sync": {"revision": revision}}}}


def test_flux_is_asked_to_fetch_with_a_token_of_our_commit_unless_the_object_changes_first() -> None:
    kick = due(repository(), expectation())
    assert kick == Kick(REPOSITORY, REQUESTED_AT, token(OURS), "7")
    assert kick.patch == {"metadata": {"resourceVersion": "7", "annotations": {REQUESTED_AT: token(OURS)}}}


def test_flux_is_asked_to_fetch_a_copy_that_is_known_to_hold_a_commit_of_our_branch() -> None:
    copy = repository({"spec": {"url": "https://mirror.internal/copy.git"}})
    assert due(copy, expectation(relations={EARLIER: Relation.ANCESTOR})) is not None


def test_flux_is_asked_again_once_it_answered_what_was_asked_before_our_push() -> None:
    assert due(repository(asked("2026-09-01T09:59:59Z", "2026-09-01T09:59:59Z")), expectation()) is not None


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(repository({"status": {"artifact": {"revision": f"main@sha1:{OURS}"}}}), {}, id="holds ours"),
        pytest.param(
            repository({"status": {"artifact": {"revision": f"main@sha1:{NEWER}"}}}),
            {"relations": {NEWER: Relation.REPLACED}},
            id="holds a later commit",
        ),
        pytest.param(repository(asked("somebody", "earlier")), {}, id="is being asked"),
        pytest.param(repository(asked("somebody", None)), {}, id="never answered yet"),
        pytest.param(repository(asked(token(OURS), token(OURS))), {}, id="was asked for ours"),
        pytest.param(repository({"spec": {"suspend": True}}), {}, id="is suspended"),
        pytest.param(without(repository(), REPOSITORY), {}, id="cannot be seen"),
        pytest.param(
            repository({"spec": {"url": "https://git.example.com/other"}}), {}, id="follows another repository"
        ),
        pytest.param(repository({"spec": {"ref": {"branch": "staging"}}}), {}, id="follows another branch"),
        pytest.param(repository({"spec": {"ref": {"semver": ">=1"}}}), {}, id="follows tags"),
    ],
)
def test_flux_is_left_alone_when_it(objects: dict[Ref, Any], expected: dict[str, Any]) -> None:
    assert due(objects, expectation(**expected)) is None


def test_argo_cd_is_asked_to_compare_anew_unless_it_is_being_asked_or_compared_with_ours() -> None:
    expected = expectation(target=ARGO)
    assert due(application(EARLIER), expected) == Kick(APP, REFRESH, "normal", "7")
    assert due(application(EARLIER, **{REFRESH: "hard"}), expected) is None
    assert due(application(OURS), expected) is None
    assert due({}, expected) is None


def test_a_target_without_a_reconciler_of_ours_is_never_kicked() -> None:
    target = RolloutTarget(kind="workload", cluster="prod", namespace="default", name="shop", timeout_seconds=60)
    assert due(repository(), expectation(target=target)) is None


class Cluster:
    """Answers kicks with errors in line, and then takes them."""

    def __init__(self, *errors: Exception) -> None:
        self.kicks: list[tuple[str, Kick]] = []
        self._errors = list(errors)
        self.silent = False

    async def kick(self, cluster: str, kick: Kick) -> bool:
        self.kicks.append((cluster, kick))
        if self.silent:
            await asyncio.Event().wait()
        if self._errors:
            raise self._errors.pop(0)
        return True


async def looked(cluster: Cluster, *versions: str) -> list[str]:
    """The notes after a look at each version of the object; what a look began has ended before the next."""
    notes, expected = [], expectation()
    async with Kicking(cluster, asyncio.Event()) as kicking:
        for version in versions:
            objects = repository({"metadata": {"resourceVersion": version}})
            notes.append(kicking.note(expected.target, objects, expected))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    return notes


async def test_one_watch_kicks_a_reconciler_once_however_often_it_looks() -> None:
    cluster = Cluster()
    assert await looked(cluster, "1", "1", "2") == ["", "", ""]
    assert len(cluster.kicks) == 1


@pytest.mark.parametrize("error", [Unavailable("down"), TimeoutError()])
async def test_a_kick_that_did_not_arrive_is_tried_at_the_next_look(error: Exception) -> None:
    cluster = Cluster(error)
    assert await looked(cluster, "1", "1", "2") == ["", "", ""]
    assert len(cluster.kicks) == 2


async def test_an_object_that_changed_meanwhile_is_looked_at_at_once_and_kicked_when_its_change_is_seen() -> None:
    cluster, changed, expected = Cluster(Conflict("it changed")), asyncio.Event(), expectation()
    async with Kicking(cluster, changed) as kicking:
        for version, kicks in (("1", 1), ("1", 1), ("2", 2), ("3", 2)):
            objects = repository({"metadata": {"resourceVersion": version}})
            kicking.note(expected.target, objects, expected)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert changed.is_set()
            assert [kick.seen for _, kick in cluster.kicks] == ["1", "2"][:kicks]


async def test_a_refusal_is_told_to_who_waits_and_not_tried_again() -> None:
    cluster = Cluster(Refused("Forbidden", "DAG lacks the right to patch gitrepositories"))
    first, *later = await looked(cluster, "1", "1", "2")
    assert first == ""
    assert all("DAG lacks the right to patch gitrepositories" in note for note in later)
    assert len(cluster.kicks) == 1


async def test_a_cluster_that_does_not_answer_a_kick_delays_neither_a_look_nor_the_end() -> None:
    cluster = Cluster()
    cluster.silent = True
    assert await looked(cluster, "1", "2") == ["", ""]
    assert len(cluster.kicks) == 1
