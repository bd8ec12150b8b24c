"""The sandbox's Helm: release secrets write by write, and what the judge over them makes of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conditions import until
from flux_world import PATH
from flux_world import chart as files
from played_cluster import AFTER, BEGINNING, QUICK, changes, chart, expectation, later, pictures, verdict, verdicts

from dag_common.errors import Conflict
from dag_monitor.domain.helm_observation import releases
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import DEPLOYMENTS, SECRETS
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.git_follower import GitSource
from dag_sandbox.reconcilers.health import HEALTHY, health
from dag_sandbox.reconcilers.helm import HelmAgent, HelmApp, HelmFlags
from dag_sandbox.reconcilers.helm_action import Helm
from dag_sandbox.reconcilers.helm_release import decoded
from dag_sandbox.reconcilers.outcomes import Outcome
from dag_sandbox.reconcilers.workloads import WorkloadControllers

KEY = ("default", "podinfo")


@dataclass
class World:
    """A git host, a cluster, and an agent that runs `helm` after each commit."""

    host: GitHost
    double: ClusterDouble
    app: HelmApp
    agent: HelmAgent

    async def push(self, version: str, **sandbox: Any) -> int:
        since = self.double.history.head
        await self.host.commit("iac", files(version, **sandbox))
        return since

    async def reaches(self, *statuses: str) -> None:
        """Wait until the versions, the newest first, have these statuses."""
        await until(lambda: [one.status for one in self.agent.helm(self.app).history()][: len(statuses)] == [*statuses])

    def told(self, since: int) -> list[tuple[str, int, str, str]]:
        """Every write of a release secret: what happened, the version, its status and its chart version.

        Helm records the version that stays deployed anew; within a second that changes nothing, and is left out here.
        """
        seen = [(one.type, decoded(one.object)) for one in changes(self.double, SECRETS, since=since)]
        told = [(kind, one.version, one.status, one.chart.version) for kind, one in seen]
        return [one for one in told if one[:3] != ("MODIFIED", 1, "deployed") or since == BEGINNING]


@asynccontextmanager
async def running(directory: Path, first: dict[str, Any] | None = None, **flags: Any) -> AsyncIterator[World]:
    async with GitHost(directory / "git", user="dag", password="hunter2") as host:
        await host.commit("iac", files("1.2.2", **(first or {})))
        source = GitSource(url=host.url("iac"), user="dag", password="hunter2")
        app = HelmApp(name="podinfo", path=PATH, source=source, flags=HelmFlags(**flags))
        double = ClusterDouble()
        async with WorkloadControllers(double, pace=QUICK), HelmAgent(double, [app], pace=QUICK) as agent:
            yield World(host, double, app, agent)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(tmp_path) as here:
        await here.reaches("deployed")
        yield here


async def test_a_release_secret_is_what_helm_makes_of_it(world: World) -> None:
    (secret,) = world.double.list(SECRETS)
    labels = secret["metadata"]["labels"]
    assert secret["metadata"]["name"] == "sh.helm.release.v1.podinfo.v1"
    assert secret["type"] == "helm.sh/release.v1"
    assert labels.pop("modifiedAt").isdigit()
    assert labels == {"name": "podinfo", "owner": "helm", "status": "deployed", "version": "1"}
    (read,) = releases(list(pictures(world.double))[-1], expectation("helm", "podinfo").target)
    assert (read.readable, read.number, read.chart_version) == (True, 1, "1.2.2")
    assert read.description == "Install complete"


async def test_an_install_is_pending_and_then_deployed(world: World) -> None:
    assert world.told(BEGINNING) == [("ADDED", 1, "pending-install", "1.2.2"), ("MODIFIED", 1, "deployed", "1.2.2")]
    first = changes(world.double, SECRETS)[0].object["metadata"]["labels"]
    assert first["createdAt"].isdigit()
    assert "modifiedAt" not in first


async def test_an_upgrade_supersedes_before_it_deploys(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3")
    await world.reaches("deployed", "superseded")
    assert world.told(since) == [
        ("ADDED", 2, "pending-upgrade", "1.2.3"),
        ("MODIFIED", 1, "superseded", "1.2.2"),
        ("MODIFIED", 2, "deployed", "1.2.3"),
    ]
    said = verdicts(world.double, expected, since=since)
    assert [type(one) for one in said] == [Progressing] * (len(said) - 1) + [Succeeded]


async def test_with_wait_a_deployed_release_has_a_healthy_deployment(world: World) -> None:
    await world.push("1.2.3")
    await world.reaches("deployed", "superseded")
    running = world.double.get(DEPLOYMENTS, *KEY)
    assert running["metadata"]["labels"]["helm.sh/chart"] == "podinfo-1.2.3"
    assert health(running).status == HEALTHY


async def test_a_failed_upgrade_leaves_the_old_version_marked_as_deployed(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="fail", reason="no database")
    await world.reaches("failed", "deployed")
    assert world.told(since) == [
        ("ADDED", 2, "pending-upgrade", "1.2.3"),
        ("MODIFIED", 2, "failed", "1.2.3"),
    ]
    said = verdicts(world.double, expected, since=since)
    assert {type(one) for one in said[:-1]} == {Progressing}
    assert isinstance(said[-1], Failed)
    assert 'Upgrade "podinfo" failed: resource Deployment/default/podinfo not ready' in said[-1].message
    assert "no database" in said[-1].message


async def test_manifests_the_api_server_refuses_fail_without_a_new_deployment(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="refused")
    await world.reaches("failed", "deployed")
    assert not changes(world.double, DEPLOYMENTS, since=since)
    assert "denied the request" in verdict(world.double, expected, since=since).message


async def test_a_rollback_is_deployed_with_the_old_chart_and_a_number_of_its_own(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="rollback")
    await world.reaches("deployed", "failed", "superseded")
    assert world.told(since)[1:] == [
        ("MODIFIED", 2, "failed", "1.2.3"),
        ("ADDED", 3, "pending-rollback", "1.2.2"),
        ("MODIFIED", 1, "superseded", "1.2.2"),
        ("MODIFIED", 3, "deployed", "1.2.2"),
    ]
    newest = world.agent.helm(world.app).history()[0]
    assert (newest.description, newest.rollback_to) == ("Rollback to 1", 1)
    said = verdicts(world.double, expected, since=since)
    assert Succeeded not in {type(one) for one in said}
    assert isinstance(said[-1], Failed)
    assert said[-1].message.endswith("Helm rolled back to 1.2.2.")


async def test_the_flag_rolls_back_whatever_the_chart_says(tmp_path: Path) -> None:
    async with running(tmp_path, rollback_on_failure=True) as world:
        await world.reaches("deployed")
        await world.push("1.2.3", outcome="fail")
        await world.reaches("deployed", "failed", "superseded")


async def test_with_a_timeout_helm_gives_up_on_a_deployment_that_does_not(world: World) -> None:
    world.agent.suspended.add(KEY)
    impatient = Helm(world.double, KEY, QUICK, HelmFlags(timeout=0.05))
    await impatient.upgrade_install(chart("1.2.3"), Outcome(), Outcome("stuck"))
    failed = impatient.history()[0]
    assert failed.status == "failed"
    assert "not ready. status: InProgress, message: Updated: " in failed.description


async def test_a_failure_and_then_a_success_is_two_versions_of_the_same_chart(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="retry-then-succeed")
    await world.reaches("deployed", "failed", "superseded")
    assert [one.chart.version for one in world.agent.helm(world.app).history()] == ["1.2.3", "1.2.3", "1.2.2"]
    said = verdicts(world.double, expected, since=since)
    assert isinstance(verdict(world.double, expected, since=since), Failed)
    assert isinstance(said[-1], Succeeded)


async def test_a_helm_that_was_killed_leaves_a_pending_release_that_blocks_every_other(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="stuck")
    await world.reaches("pending-upgrade", "deployed")
    assert {type(one) for one in verdicts(world.double, expected, since=since)} == {Progressing}
    await world.push("1.2.4")
    with pytest.raises(Conflict, match="another operation"):
        await world.agent.helm(world.app).rollback(1)
    assert world.told(since) == [("ADDED", 2, "pending-upgrade", "1.2.3")]
    world.double.delete(SECRETS, "default", "sh.helm.release.v1.podinfo.v2")  # what people do then
    await world.reaches("deployed", "superseded")
    assert world.agent.helm(world.app).history()[0].chart.version == "1.2.4"


async def test_an_agent_stopped_in_the_middle_leaves_what_a_killed_helm_leaves(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.reaches("deployed")
        expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", seconds=60)
        await world.reaches("pending-upgrade", "deployed")
        await world.agent.__aexit__(None, None, None)
        async with HelmAgent(world.double, [world.app], pace=QUICK) as successor:
            world.agent = successor
            assert {type(one) for one in verdicts(world.double, expected, since=since)} == {Progressing}
            world.double.delete(SECRETS, "default", "sh.helm.release.v1.podinfo.v2")
            successor.outcomes[KEY] = Outcome()
            await world.reaches("deployed", "superseded")
        assert isinstance(verdict(world.double, expected, since=since), Succeeded)


async def test_of_two_deployments_back_to_back_the_first_is_superseded_or_passed_over(world: World) -> None:
    world.agent.suspended.add(KEY)
    since = await world.push("1.2.3")
    await world.push("1.2.4")
    world.agent.suspended.clear()
    await world.reaches("deployed", "superseded")
    ours = expectation("helm", "podinfo", later=(later("1.2.4"),))
    assert {type(one) for one in verdicts(world.double, ours, since=since)} == {Progressing}
    newest = expectation("helm", "podinfo", "1.2.4", "1.2.3", commit=AFTER)
    assert isinstance(verdict(world.double, newest, since=since), Succeeded)


async def test_a_pipeline_that_does_not_run_changes_nothing_until_it_does(world: World) -> None:
    world.agent.suspended.add(KEY)
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3")
    assert not changes(world.double, SECRETS, since=since)
    world.agent.suspended.clear()
    await world.reaches("deployed", "superseded")
    assert isinstance(verdict(world.double, expected, since=since), Succeeded)


async def test_somebody_who_rolls_back_by_hand_makes_ours_a_failure(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="fail")
    await world.reaches("failed", "deployed")
    await world.agent.helm(world.app).rollback(1)
    await world.reaches("deployed", "failed", "superseded")
    said = verdicts(world.double, expected, since=since)
    assert isinstance(said[-1], Failed)
    assert said[-1].reason == "rolled-back"


async def test_somebody_else_who_upgrades_at_the_same_time_supersedes_ours(world: World) -> None:
    expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="refused")
    await world.reaches("failed", "deployed")
    foreign = await world.push("9.9.9")
    await world.reaches("deployed", "failed", "superseded")
    assert foreign > since
    assert isinstance(verdict(world.double, expected, since=since), Failed)


async def test_a_chart_that_does_not_render_stores_nothing(world: World) -> None:
    since = await world.push("1.2.3", outcome="render-error")
    await world.push("1.2.4")
    await world.reaches("deployed", "superseded")
    assert "1.2.3" not in str(world.told(since))


async def test_only_so_many_versions_are_kept_and_the_deployed_one_always(tmp_path: Path) -> None:
    async with running(tmp_path, history_max=3) as world:
        await world.reaches("deployed")
        for patch in range(3, 8):
            since = await world.push(f"1.2.{patch}", outcome="refused")
            await until(lambda patch=patch: _newest(world) == f"1.2.{patch}")
        history = world.agent.helm(world.app).history()
        assert [(one.version, one.status) for one in history] == [(6, "failed"), (5, "failed"), (1, "deployed")]
        assert world.told(since)[0][:2] == ("DELETED", 4)


def _newest(world: World) -> str:
    newest = world.agent.helm(world.app).history()[0]
    return newest.chart.version if newest.status == "failed" else ""


async def test_a_failed_first_install_with_rollback_leaves_no_secret(tmp_path: Path) -> None:
    async with running(tmp_path, {"outcome": "fail"}, rollback_on_failure=True) as world:
        await until(_deleted(world))
        assert world.told(BEGINNING) == [
            ("ADDED", 1, "pending-install", "1.2.2"),
            ("MODIFIED", 1, "failed", "1.2.2"),
            ("MODIFIED", 1, "uninstalling", "1.2.2"),
            ("DELETED", 1, "uninstalling", "1.2.2"),
        ]
        expected = expectation("helm", "podinfo", "1.2.2", "")
        assert isinstance(verdict(world.double, expected), Failed)
        await world.push("1.2.3")
        await world.reaches("deployed")


def _deleted(world: World) -> Callable[[], bool]:
    return lambda: any(change.type == "DELETED" for change in changes(world.double, SECRETS))


async def test_an_uninstall_may_keep_its_history(world: World) -> None:
    since = world.double.history.head
    await world.agent.helm(world.app).uninstall(keep_history=True)
    assert world.told(since) == [("MODIFIED", 1, "uninstalling", "1.2.2"), ("MODIFIED", 1, "uninstalled", "1.2.2")]
    await world.push("1.2.3")
    await world.reaches("deployed", "superseded")


async def test_without_wait_deployed_says_nothing_about_pods(tmp_path: Path) -> None:
    async with running(tmp_path, wait=False) as world:
        await world.reaches("deployed")
        expected, since = expectation("helm", "podinfo"), await world.push("1.2.3", outcome="fail")
        await world.reaches("deployed", "superseded")
        assert isinstance(verdict(world.double, expected, since=since), Succeeded)
        await until(lambda: health(world.double.get(DEPLOYMENTS, *KEY)).status == "Degraded")
        watched = expectation("workload", "podinfo")
        assert isinstance(verdict(world.double, watched, since=since), Failed)
