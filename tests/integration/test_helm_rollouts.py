"""Windows on Helm releases over real HTTP: what is watched, what is read, and what the judge makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conditions import until
from flux_objects import merged
from helm_objects import DEPLOYMENT, encoded, expectation, stored

from dag_common.contracts.events import RolloutTarget
from dag_monitor.cluster.access import Access, StoredCredentials
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.pace import Pace
from dag_monitor.cluster.reader import Reader
from dag_monitor.cluster.readings import Readings
from dag_monitor.cluster.reflectors import Reflectors
from dag_monitor.cluster.resources import WORKLOADS
from dag_monitor.cluster.rights import Places, Purpose, needed
from dag_monitor.cluster.window import Window, Windows
from dag_monitor.domain.helm import assess
from dag_monitor.domain.sighting import Sighting, Unseen
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Verdict
from dag_sandbox.cluster import resources
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.faults import Fault
from dag_sandbox.cluster.serving import ClusterApi

TARGET = RolloutTarget(kind="helm", cluster="prod", namespace="default", name="podinfo", timeout_seconds=600)
OTHER = RolloutTarget(kind="helm", cluster="prod", namespace="default", name="other", timeout_seconds=600)
HASTE = Pace(backoff_low=0.001, backoff_high=0.01, refused=0.01, healthy=0.0, idle=1)
LONG_AGO = datetime(2026, 9, 1, tzinfo=UTC)
PODS = merged(DEPLOYMENT, {"metadata": {"namespace": "default"}, "spec": {"replicas": 1}})
ROLLED_OUT = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [{"type": "Available", "status": "True"}],
}


class Recording(ClusterClient):
    """A client that keeps the names of what was read whole."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.read: list[str] = []

    async def get(self, resource: Any, namespace: str, name: str) -> Any:
        self.read.append(name.rpartition(".")[2])
        return await super().get(resource, namespace, name)


class Scene:
    """A cluster with a Helm release, and windows on it."""

    def __init__(self, api: ClusterApi, client: Recording) -> None:
        self.cluster, self.app, self.client = api.cluster, api.app, client
        self.reflectors = Reflectors(client, pace=HASTE, linger=0)
        self.reader = Reader(client, Readings(HASTE))
        self.windows = Windows(lambda _: self.reflectors, lambda _: self.reader)

    def helm(self, number: int, version: str, status: str, description: str = "", **more: Any) -> None:
        """Helm writes one version."""
        self.cluster.put(resources.SECRETS, stored(number, version, status, description, **more))

    def upgraded(self, **more: Any) -> None:
        self.helm(4, "1.2.3", "pending-upgrade", **more)
        self.helm(3, "1.2.2", "superseded")
        self.helm(4, "1.2.3", "deployed", "Upgrade complete", **more)

    def break_with(self, **fault: Any) -> None:
        self.cluster.faults.add(Fault(**fault))

    @contextlib.asynccontextmanager
    async def open(self, target: RolloutTarget = TARGET) -> AsyncIterator[Looking]:
        changed = asyncio.Event()
        async with self.windows.open(target, changed) as window:
            yield Looking(window, changed)


class Looking:
    """Looks whenever there is news, as a rollout does."""

    def __init__(self, window: Window, changed: asyncio.Event) -> None:
        self._window, self._changed = window, changed
        self.said: list[str] = []

    async def until(self, met: Callable[[Verdict], bool]) -> Verdict:
        async with asyncio.timeout(20):
            while True:
                self._changed.clear()
                verdict = judged(await self._window.look())
                self.said.append(verdict.message)
                if met(verdict):
                    return verdict
                await self._changed.wait()

    async def says(self, words: str) -> None:
        verdict = await self.until(lambda verdict: words in verdict.message)
        assert isinstance(verdict, Progressing)


def judged(sighting: Sighting) -> Verdict:
    if isinstance(sighting, Unseen):
        return Progressing(sighting.reason)
    return assess(sighting.objects, expectation(pushed_at=LONG_AGO, content_since=LONG_AGO))


def succeeded(verdict: Verdict) -> bool:
    return isinstance(verdict, Succeeded)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with ClusterApi(ClusterDouble()) as api:
        client = Recording("prod", Access(api.url, StoredCredentials(token=lambda: api.token)))
        scene = Scene(api, client)
        yield scene
        await scene.reflectors.aclose()
        await scene.reader.aclose()
        await client.aclose()


async def test_an_upgrade_is_followed_and_read_only_when_helm_is_done(scene: Scene) -> None:
    scene.helm(3, "1.2.2", "deployed")
    async with scene.open() as looking:
        await looking.says("now at podinfo 1.2.2, deployed")
        scene.helm(4, "1.2.3", "pending-upgrade")
        await looking.says("Version 4 of Helm release default/podinfo is under way")
        assert scene.client.read == ["v3"]
        scene.helm(3, "1.2.2", "superseded")
        scene.helm(4, "1.2.3", "deployed", "Upgrade complete")
        await looking.until(succeeded)


async def test_a_release_asks_for_the_rights_in_the_table_and_no_others(scene: Scene) -> None:
    named = [{"kind": kind, "apiVersion": resource.api_version, "metadata": {"name": "one"}}
             for kind, resource in WORKLOADS.items()]  # fmt: skip
    scene.upgraded(objects=tuple(named))
    places = Places(workloads=frozenset({"default"}))
    rights = needed(TARGET, places, kick=True, logs=True)
    wanted = {(one.verb, one.resource.group, one.plural, one.namespace)
              for one, purpose in rights.items() if purpose is Purpose.WATCH}  # fmt: skip
    async with scene.open() as looking:
        await looking.says("does not exist")
        await until(lambda: scene.cluster.access.asked == wanted)


async def test_a_rollback_is_a_failure_with_its_cause(scene: Scene) -> None:
    scene.helm(3, "1.2.2", "deployed")
    async with scene.open() as looking:
        await looking.says("now at")
        scene.helm(4, "1.2.3", "failed", 'Upgrade "podinfo" failed: timed out')
        scene.helm(5, "1.2.2", "deployed", "Rollback to 3", rollback_revision=3)
        verdict = await looking.until(lambda verdict: isinstance(verdict, Failed))
        assert verdict.message.startswith('Upgrade "podinfo" failed: timed out.')


async def test_one_watch_of_metadata_serves_all_releases_of_a_namespace(scene: Scene) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(50):
            target = RolloutTarget(
                kind="helm", cluster="prod", namespace="default", name=f"app-{number}", timeout_seconds=600
            )
            looking = await stack.enter_async_context(scene.open(target))
            await looking.says("Helm has no version of it")
        await until(lambda: scene.app.open_watches == 1)
        (query,) = scene.reflectors.conditions()
        assert (query.label_selector, query.metadata_only) == ("owner=helm", True)


async def test_many_windows_read_a_payload_once(scene: Scene) -> None:
    scene.upgraded()
    async with contextlib.AsyncExitStack() as stack:
        windows = [await stack.enter_async_context(scene.open()) for _ in range(20)]
        await asyncio.gather(*(looking.until(succeeded) for looking in windows))
    assert sorted(scene.client.read) == ["v3", "v4"]


async def test_versions_from_before_any_push_are_not_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        scene.helm(number, "1.2.1", "superseded")
    scene.upgraded()
    monkeypatch.setattr("dag_monitor.cluster.window._CLOCKS_DIFFER", -timedelta(days=1))
    async with scene.open() as looking:
        await looking.until(succeeded)
    assert scene.client.read == ["v4"]


@pytest.mark.parametrize(
    ("status", "words"), [(403, "grant the verb 'get'"), (404, "cannot get secrets"), (503, "cannot get secrets")]
)
async def test_a_payload_that_cannot_be_read_says_why_and_is_read_again(scene: Scene, status: int, words: str) -> None:
    scene.break_with(action="respond", verb="get", resource="secrets", status=status, times=3)
    scene.helm(4, "1.2.3", "deployed")
    async with scene.open() as looking:
        await looking.says(words)
        await looking.until(succeeded)
    assert scene.client.read == ["v4"] * 4


async def test_a_secret_that_holds_no_release_is_told_and_keeps_the_verdict_open(scene: Scene) -> None:
    secret = stored(4, "1.2.3", "deployed") | {"data": {"release": encoded(b"planted-secret")}}
    scene.cluster.put(resources.SECRETS, secret)
    async with scene.open() as looking:
        await looking.says("Version 4 of Helm release default/podinfo cannot be read: the secret holds no Helm release")
        assert "planted-secret" not in str(looking.said)


async def test_a_slow_read_holds_up_no_other_window(scene: Scene) -> None:
    scene.upgraded()
    scene.break_with(action="slow", verb="get", resource="secrets", seconds=30)
    async with scene.open() as slow, scene.open(OTHER) as other:
        await slow.says("is under way")
        await other.says("Helm has no version of it")
        await slow.says("is under way")


async def test_a_missing_right_to_watch_is_told(scene: Scene) -> None:
    scene.break_with(action="respond", verb="list", resource="secrets", status=403, times=0)
    async with scene.open() as looking:
        await looking.says("grant the verb 'list'")


async def test_deployed_without_wait_is_no_success_before_the_pods_are_there(scene: Scene) -> None:
    scene.cluster.create(resources.DEPLOYMENTS, PODS)
    scene.upgraded(objects=(DEPLOYMENT,))
    async with scene.open() as looking:
        await looking.says("is deployed. Deployment default/podinfo: the Deployment controller has not seen")
        scene.cluster.merge_patch_status(resources.DEPLOYMENTS, "default", "podinfo", {"status": ROLLED_OUT})
        await looking.until(succeeded)


async def test_a_workload_seen_as_it_was_before_the_upgrade_proves_nothing(scene: Scene) -> None:
    """Two watches run side by side; the one on workloads stands still while Helm changes one and is done."""
    scene.cluster.create(resources.DEPLOYMENTS, PODS)
    scene.cluster.merge_patch_status(resources.DEPLOYMENTS, "default", "podinfo", {"status": ROLLED_OUT})
    scene.helm(3, "1.2.2", "deployed", objects=(DEPLOYMENT,))
    async with scene.open() as looking:
        await looking.says("now at podinfo 1.2.2")
        await until(lambda: scene.app.open_watches == 2)
        scene.break_with(action="silence", verb="watch", resource="deployments")
        await until(lambda: not scene.cluster.faults.waiting)
        scene.cluster.merge_patch(resources.DEPLOYMENTS, "default", "podinfo", {"spec": {"paused": True}})
        scene.upgraded(objects=(DEPLOYMENT,))
        await looking.says("Looking at Deployment default/podinfo")
        await looking.says("not seen the new spec yet")
    assert not any("is healthy" in said for said in looking.said)


async def test_a_workload_that_was_made_anew_is_recognised(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dag_monitor.cluster.freshness._PATIENCE_SECONDS", 0.0)
    scene.upgraded(objects=(DEPLOYMENT,))
    async with scene.open() as looking:
        await looking.says("Deployment default/podinfo does not exist")
        scene.cluster.create(resources.DEPLOYMENTS, PODS)
        scene.cluster.merge_patch_status(resources.DEPLOYMENTS, "default", "podinfo", {"status": ROLLED_OUT})
        await looking.until(succeeded)
