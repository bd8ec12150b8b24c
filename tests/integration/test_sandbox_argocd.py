"""The sandbox's Argo CD: an Application write by write, and what the judge makes of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conditions import until
from flux_world import PATH
from flux_world import chart as files
from played_cluster import (
    BEGINNING,
    QUICK,
    MortalDouble,
    changes,
    deaths,
    later,
    told,
    verdict,
    verdicts,
)
from played_cluster import (
    expectation as plain_expectation,
)

from dag_common.runtime import clock
from dag_monitor.domain.expectation import Expectation, Relation
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded
from dag_sandbox.cluster.resources import APPLICATIONS, DEPLOYMENTS
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.argocd import ArgoApp, ArgoCd, GitSource
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.workloads import WorkloadControllers

KEY = ("argocd", "podinfo")
LIVE = ("default", "podinfo")
NOT_AUTOMATED = {"syncPolicy": {"automated": None}}


@dataclass
class World:
    """A git host, a cluster with Argo CD, and the commits that were made."""

    host: GitHost
    double: MortalDouble
    app: ArgoApp
    argo: ArgoCd
    commits: list[str] = field(default_factory=list)

    async def push(self, version: str, **sandbox: Any) -> int:
        since = self.double.history.head
        self.commits.append(await self.host.commit("iac", files(version, **sandbox)))
        return since

    def expectation(self, version: str = "1.2.3", previous: str = "1.2.2", **more: Any) -> Expectation:
        commit = more.pop("commit", self.commits[-1])
        place = self.commits.index(commit)
        relations = dict.fromkeys(self.commits[:place], Relation.ANCESTOR) | more.pop("relations", {})
        usual = {"namespace": "argocd", "commit": commit, "url": self.app.source.url, "relations": relations}
        return plain_expectation("argocd", "podinfo", version, previous, **usual | more)

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.double.get(APPLICATIONS, *KEY).get("status") or {}
        return found

    def phase(self) -> str:
        return str((self.status.get("operationState") or {}).get("phase", ""))

    async def rests_at(self, commit: str, *, health: str = "Healthy") -> None:
        await until(lambda: self._rests(commit, health))

    def _rests(self, commit: str, health: str) -> bool:
        status = self.status
        sync = status.get("sync") or {}
        synced = (sync.get("status"), sync.get("revision")) == ("Synced", commit)
        return bool(
            synced
            and (status.get("health") or {}).get("status") == health
            and "operation" not in self.double.get(APPLICATIONS, *KEY)
            and status["reconciledAt"] >= (status.get("operationState") or {}).get("finishedAt", "")
        )

    def seen(self, since: int, *parts: Callable[[dict[str, Any]], Any]) -> list[Any]:
        """What a watcher sees of some parts, each once as long as they stay."""
        shown = [tuple(part(one.object) for part in parts) for one in changes(self.double, APPLICATIONS, since=since)]
        return [one for place, one in enumerate(shown) if place == 0 or one != shown[place - 1]]


def operation(obj: dict[str, Any]) -> bool:
    return "operation" in obj


def sync(obj: dict[str, Any]) -> str:
    return str(obj["status"]["sync"]["status"])


def phase(obj: dict[str, Any]) -> str:
    return str((obj["status"].get("operationState") or {}).get("phase", ""))


def healthy(obj: dict[str, Any]) -> str:
    return str(obj["status"]["health"]["status"])


@asynccontextmanager
async def running(directory: Path, **spec: Any) -> AsyncIterator[World]:
    async with GitHost(directory / "git", user="dag", password="hunter2") as host:
        first = await host.commit("iac", files("1.2.2"))
        source = GitSource(url=host.url("iac"), user="dag", password="hunter2")
        app = ArgoApp(name="podinfo", path=PATH, source=source, spec=spec)
        double = MortalDouble()
        async with WorkloadControllers(double, pace=QUICK), ArgoCd(double, [app], pace=QUICK) as argo:
            here = World(host, double, app, argo, [first])
            if not spec:
                await here.rests_at(first)
            yield here


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as here:
        yield here


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock that runs a hundred times as fast: what lasts half a minute lasts a third of a second."""
    began, real = clock.now(), clock.monotonic()
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(seconds=(clock.monotonic() - real) * 100))


async def test_a_sync_is_told_write_by_write_as_the_controller_does(world: World) -> None:
    since = await world.push("1.2.3")
    await world.rests_at(world.commits[-1])
    assert world.seen(since, operation, sync, phase) == [
        (True, "Synced", "Succeeded"),  # queued, while everything still tells of the commit before
        (True, "OutOfSync", "Succeeded"),
        (True, "OutOfSync", "Running"),
        (False, "OutOfSync", "Succeeded"),  # applied
        (False, "Synced", "Succeeded"),
    ]
    assert set(world.seen(since, healthy)) <= {("Healthy",), ("Progressing",)}


async def test_a_clean_sync_is_a_success_with_the_last_write_and_not_before(world: World) -> None:
    since = await world.push("1.2.3")
    expected = world.expectation()
    await world.rests_at(world.commits[-1])
    said = verdicts(world.double, expected, since=since)
    final = [one for one in said if not isinstance(one, Progressing)]
    assert {type(one) for one in final} == {Succeeded}
    first = said.index(final[0])
    seen = world.double.history.after(since)[first]
    assert seen.resource == APPLICATIONS
    assert healthy(seen.object) == "Healthy"
    assert world.double.get(DEPLOYMENTS, *LIVE)["metadata"]["labels"]["helm.sh/chart"] == "podinfo-1.2.3"


async def test_history_is_appended_before_the_operation_is_told_to_have_succeeded(world: World) -> None:
    since = await world.push("1.2.3")
    await world.rests_at(world.commits[-1])
    shown = world.seen(since, lambda obj: obj["status"]["history"][-1]["revision"], phase)
    assert shown.index((world.commits[-1], "Running")) < shown.index((world.commits[-1], "Succeeded"))
    assert [entry["id"] for entry in world.status["history"]] == [0, 1]


async def test_a_commit_that_changes_nothing_moves_the_revision_without_an_operation(world: World) -> None:
    await world.push("1.2.3")
    await world.rests_at(world.commits[-1])
    ours, since = world.commits[-1], world.double.history.head
    foreign = await world.host.commit("iac", {"README.md": b"somebody else"})
    await world.rests_at(foreign)
    assert {operation(one.object) for one in changes(world.double, APPLICATIONS, since=since)} == {False}
    assert world.status["operationState"]["syncResult"]["revision"] == ours
    knowing = world.expectation(relations={foreign: Relation.DESCENDANT})
    assert isinstance(verdicts(world.double, knowing)[-1], Succeeded)


async def test_a_sync_the_api_server_refuses_is_retried_and_then_failed(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.double.merge_patch(APPLICATIONS, *KEY, {"spec": {"syncPolicy": {"retry": {"limit": 1}}}})
        since = await world.push("1.2.3", outcome="refused", reason="field is immutable")
        expected = world.expectation(fail_after=2)
        await until(lambda: any(one["type"] == "SyncError" for one in world.status.get("conditions") or []))
        waiting = world.seen(since, phase, lambda obj: "finishedAt" in obj["status"]["operationState"])
        assert waiting == [
            ("Succeeded", True), ("Running", False), ("Running", True), ("Running", False), ("Failed", True),
        ]  # fmt: skip
        said = verdict(world.double, expected, since=since)
        assert isinstance(said, Failed)
        assert said.reason == "sync-failed"
        assert "field is immutable (retried 1 times)" in said.message
        assert "Retrying attempt #1 at" in "".join(told(verdicts(world.double, expected, since=since)))
        assert world.status["conditions"][0]["message"].startswith(f"Failed last sync attempt to [{world.commits[-1]}]")


async def test_a_failure_then_a_success_is_a_failure_to_the_hasty_and_a_success_to_the_patient(world: World) -> None:
    since = await world.push("1.2.3", outcome="retry-then-succeed")
    hasty, patient = (world.expectation(fail_after=count) for count in (1, 2))
    await world.rests_at(world.commits[-1])
    assert [type(verdict(world.double, one, since=since)) for one in (hasty, patient)] == [Failed, Succeeded]
    assert world.status["operationState"]["retryCount"] == 1


async def test_what_a_retried_operation_left_is_no_failure_of_the_next_one(world: World) -> None:
    await world.push("1.2.3", outcome="retry-then-succeed")
    await world.rests_at(world.commits[-1])
    since = await world.push("1.2.4")
    expected = world.expectation("1.2.4", "1.2.3")
    await world.rests_at(world.commits[-1])
    assert world.status["operationState"]["retryCount"] == 1  # Argo CD's patches leave zeros out
    assert isinstance(verdict(world.double, expected, since=since), Succeeded)


@pytest.mark.usefixtures("hurried")
async def test_an_application_that_stays_degraded_fails(world: World) -> None:
    since = await world.push("1.2.3", outcome="fail", symptom="image-pull")
    expected = world.expectation()
    await until(lambda: isinstance(verdict(world.double, expected, since=since), Failed))
    said = verdict(world.double, expected, since=since)
    assert isinstance(said, Failed)
    assert said.reason == "degraded"
    assert world.status["resources"][0]["health"]["message"] == 'Deployment "podinfo" exceeded its progress deadline'


async def test_health_that_flaps_is_no_failure(world: World) -> None:
    world.argo.outcomes[KEY] = Outcome("fail")
    since = await world.push("1.2.3")
    expected = world.expectation()
    await until(lambda: self_health(world) == "Degraded")
    assert {type(one) for one in verdicts(world.double, expected, since=since)} == {Progressing}
    heal(world)
    await world.rests_at(world.commits[-1])
    assert isinstance(verdict(world.double, expected, since=since), Succeeded)


def self_health(world: World) -> str:
    return str((world.status.get("health") or {}).get("status"))


def heal(world: World) -> None:
    """The pods recover although nothing in git changed: the outcome does."""
    world.argo.outcomes[KEY] = Outcome()
    world.double.merge_patch(APPLICATIONS, *KEY, {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}})


async def test_a_rollback_by_hand_is_told_as_one_once_argo_cd_compared_again(world: World) -> None:
    since = await world.push("1.2.3", outcome="rollback")
    expected = world.expectation()
    await until(lambda: isinstance(verdict(world.double, expected, since=since), Failed))
    said = verdicts(world.double, expected, since=since)
    final = [one for one in said if not isinstance(one, Progressing)]
    assert {type(one) for one in final} == {Failed}
    assert "was rolled back to commit" in final[0].message
    assert "by admin after commit" in final[0].message
    compared = world.double.history.after(since)[said.index(final[0])]
    assert (sync(compared.object), operation(compared.object)) == ("OutOfSync", False)
    assert [one["initiatedBy"] for one in world.status["history"][-2:]] == [{"automated": True}, {"username": "admin"}]
    asked = world.status["operationState"]["operation"]["sync"]
    assert asked == {
        "revision": world.commits[0],
        "source": world.status["sync"]["comparedTo"]["source"],
        "syncStrategy": {"apply": {}},
    }


async def test_without_automated_sync_it_stays_out_of_sync_until_somebody_syncs(tmp_path: Path) -> None:
    async with running(tmp_path, syncPolicy={"automated": None}) as world:
        expected = world.expectation("1.2.2", "")
        await until(lambda: (world.status.get("sync") or {}).get("status") == "OutOfSync")
        assert "somebody has to: argocd app sync argocd/podinfo" in verdicts(world.double, expected)[-1].message
        world.double.merge_patch(APPLICATIONS, *KEY, {"operation": {"sync": {"revision": world.commits[-1]}}})
        await world.rests_at(world.commits[-1])
        assert isinstance(verdict(world.double, expected), Succeeded)


async def test_a_foreign_change_of_the_live_object_stays_without_self_heal(world: World) -> None:
    world.double.merge_patch(DEPLOYMENTS, *LIVE, {"spec": {"replicas": 3}})
    await until(lambda: world.status["sync"]["status"] == "OutOfSync")
    assert "operation" not in world.double.get(APPLICATIONS, *KEY)
    await world.push("1.2.3")
    await world.rests_at(world.commits[-1])
    assert world.double.get(DEPLOYMENTS, *LIVE)["spec"]["replicas"] == 2


async def test_self_heal_takes_a_foreign_change_back(world: World) -> None:
    world.double.merge_patch(APPLICATIONS, *KEY, {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}})
    world.double.merge_patch(DEPLOYMENTS, *LIVE, {"spec": {"replicas": 3}})
    await until(lambda: world.double.get(DEPLOYMENTS, *LIVE)["spec"]["replicas"] == 2)


async def test_a_foreign_commit_to_our_chart_supersedes_ours(world: World) -> None:
    since = await world.push("1.2.3", outcome="refused")
    ours = world.commits[-1]
    await until(lambda: world.phase() == "Running")
    world.double.merge_patch(APPLICATIONS, *KEY, {"status": {"operationState": {"phase": "Terminating"}}})
    await world.push("9.9.9")
    await world.rests_at(world.commits[-1])
    knowing = world.expectation(commit=ours, relations={world.commits[-1]: Relation.REPLACED}, fail_after=0)
    final = [one for one in verdicts(world.double, knowing, since=since) if isinstance(one, Superseded)]
    assert final


async def test_of_two_deployments_back_to_back_the_first_may_be_passed_over(world: World) -> None:
    world.double.merge_patch(APPLICATIONS, *KEY, {"spec": {"syncPolicy": {"automated": None}}})
    since = await world.push("1.2.3")
    ours = world.commits[-1]
    await world.push("1.2.4")
    world.double.merge_patch(APPLICATIONS, *KEY, {"spec": {"syncPolicy": {"automated": {}}}})
    await world.rests_at(world.commits[-1])
    passed = world.expectation(commit=ours, later=(later("1.2.4", world.commits[-1]),))
    assert isinstance(verdict(world.double, passed, since=since), Superseded)
    assert isinstance(verdict(world.double, world.expectation("1.2.4", "1.2.3"), since=since), Succeeded)


async def test_a_stuck_sync_has_no_verdict_until_it_is_terminated(world: World) -> None:
    since = await world.push("1.2.3", outcome="stuck")
    expected = world.expectation()
    await until(lambda: "waiting for completion of hook" in world.status["operationState"].get("message", ""))
    assert {type(one) for one in verdicts(world.double, expected, since=since)} == {Progressing}
    await world.push("1.2.4")  # skipped: another operation is in progress
    world.double.merge_patch(APPLICATIONS, *KEY, {"status": {"operationState": {"phase": "Terminating"}}})
    await world.rests_at(world.commits[-1])
    assert isinstance(verdict(world.double, expected, since=since), Failed)


async def test_a_refresh_is_handled_at_once_and_its_annotation_removed(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        pass
    async with world.host, WorkloadControllers(world.double, pace=QUICK):
        source = replace(world.app.source, url=world.host.url("iac"))
        world.double.merge_patch(APPLICATIONS, *KEY, {"spec": {"source": {"repoURL": source.url}}})
        app = replace(world.app, source=source)
        async with ArgoCd(world.double, [app], pace=replace(QUICK, interval=None)):
            await world.rests_at(world.commits[-1])
            await world.push("1.2.3")
            note = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
            world.double.merge_patch(APPLICATIONS, *KEY, note)
            await world.rests_at(world.commits[-1])
            assert not world.double.get(APPLICATIONS, *KEY)["metadata"].get("annotations")


async def test_a_chart_that_does_not_render_is_a_comparison_error_at_no_commit(world: World) -> None:
    since = await world.push("1.2.3", outcome="render-error")
    await until(lambda: world.status.get("conditions"))
    (condition,) = world.status["conditions"]
    assert condition["type"] == "ComparisonError"
    assert condition["message"].startswith("Failed to load target state: failed to generate manifest for source 1 of 1")
    assert world.status["sync"]["status"] == "Unknown"
    assert world.status["sync"]["revision"] == "main"
    assert Succeeded not in {type(one) for one in verdicts(world.double, world.expectation(), since=since)}
    await world.push("1.2.4")
    await world.rests_at(world.commits[-1])
    assert not world.status.get("conditions")


@pytest.mark.usefixtures("hurried")
async def test_a_chart_that_never_renders_fails_with_what_argo_cd_says(world: World) -> None:
    since = await world.push("1.2.3", outcome="render-error")
    expected = world.expectation()
    await until(lambda: world.status.get("conditions"))
    looked = world.double.history.head
    await until(lambda: len(changes(world.double, APPLICATIONS, since=looked)) > 40)  # minutes, on the hurried clock
    assert isinstance(verdict(world.double, expected, since=since), Failed)


@pytest.mark.parametrize("outcome", ["succeed", "retry-then-succeed"])
async def test_a_controller_that_dies_after_every_single_write_gets_there(tmp_path: Path, outcome: str) -> None:
    async with GitHost(tmp_path / "git") as host:
        commits = [await host.commit("iac", files("1.2.2"))]
        double, source = MortalDouble(), GitSource(url=host.url("iac"))
        app = ArgoApp(name="podinfo", path=PATH, source=source)
        async with WorkloadControllers(double, pace=QUICK), ArgoCd(double, [app], pace=QUICK) as argo:
            world = World(host, double, app, argo, commits)
            await world.rests_at(commits[-1])
        since = await world.push("1.2.3", outcome=outcome)
        expected, lives = world.expectation(fail_after=0), 0
        while not world._rests(commits[-1], "Healthy") and lives < 300:
            double.left, lives = 1, lives + 1
            with deaths():
                async with WorkloadControllers(double, pace=QUICK), ArgoCd(double, [app], pace=QUICK):
                    await until(lambda: double.left == 0 or world._rests(commits[-1], "Healthy"))
        double.left = None
        said = verdicts(double, expected, since=since)
        assert lives > 15
        assert isinstance(said[-1], Succeeded)
        assert Failed not in {type(one) for one in said}


def test_the_history_of_the_double_begins_where_the_tests_think() -> None:
    assert MortalDouble().history.head == BEGINNING
