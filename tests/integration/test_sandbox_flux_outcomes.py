"""The sandbox's Flux against the monitor's judge: a real git host, every outcome, judged after every single write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from conditions import until
from flux_world import (
    PATH,
    QUICK,
    World,
    an_hour_later,
    chart,
    flux_world,
    reason,
)

from dag_monitor.domain.expectation import Later, Relation
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, HELM_CHARTS, HELM_RELEASES
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource, Outcome, Pace


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with flux_world(tmp_path) as world:
        yield world


async def test_a_clean_upgrade_is_a_success_with_the_last_write_and_not_before(world: World) -> None:
    await world.push("1.2.3")
    told, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2"))
    assert isinstance(verdict, Succeeded)
    assert verdict.message == (
        "podinfo 1.2.3 runs: Helm upgrade succeeded for release default/podinfo.v2 with chart podinfo@1.2.3."
    )
    assert any("waiting for" in message for message in told)
    assert "Running 'upgrade' action with timeout of 5m0s" in told
    assert any("waiting until the release history shows 1.2.3" in message for message in told)


async def test_the_generation_never_changes_with_the_chart(world: World) -> None:
    before = world.release()["metadata"]["generation"]
    await world.push("1.2.3")
    await world.deployed("1.2.3")
    assert world.release()["metadata"]["generation"] == before == world.release()["status"]["observedGeneration"]


async def test_a_failed_upgrade_stalls_and_says_why(world: World) -> None:
    await world.push("1.2.3", outcome="fail", reason="container web keeps crashing")
    _, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2"))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "upgrade-failed"
    assert "Deployment/default/podinfo not ready. status: InProgress, message: container web keeps" in verdict.message
    _, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2", fail_after=0))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "retries-exceeded"
    assert "Failed to upgrade after 1 attempt(s)" in verdict.message


async def test_a_rollback_is_a_failure_at_every_moment(world: World) -> None:
    await world.push("1.2.3", outcome="rollback")
    told, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2", fail_after=0))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "retries-exceeded"
    assert verdict.message.endswith("Failed to upgrade after 2 attempt(s). Flux rolled back to 1.2.2.")
    assert any("Attempt 1 failed" in message for message in told)
    history = world.release()["status"]["history"]
    assert (history[0]["action"], history[0]["chartVersion"], history[0]["status"]) == ("rollback", "1.2.2", "deployed")


async def test_a_failure_then_a_success_is_a_failure_to_the_hasty_and_a_success_to_the_patient(world: World) -> None:
    await world.push("1.2.3", outcome="retry-then-succeed")
    _, hasty = await world.outcome(world.expectation("1.2.3", "1.2.2"))
    _, patient = await world.outcome(world.expectation("1.2.3", "1.2.2", fail_after=2))
    assert (type(hasty), type(patient)) == (Failed, Succeeded)


async def test_going_back_to_the_chart_before_a_failed_one_is_a_success(world: World) -> None:
    await world.push("1.2.3", outcome="rollback")
    assert isinstance((await world.outcome(world.expectation("1.2.3", "1.2.2")))[1], Failed)
    await world.push("1.2.2")
    _, verdict = await world.outcome(world.expectation("1.2.2", "1.2.3"))
    assert isinstance(verdict, Succeeded)
    assert world.release()["status"]["history"][0]["action"] == "rollback"


async def test_a_render_error_fails_although_flux_tries_for_ever(world: World) -> None:
    await world.push("1.2.3", outcome="render-error")
    _, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2"))
    assert isinstance(verdict, Failed)
    assert "template: podinfo/templates/deployment.yaml" in verdict.message
    await world.verdicts(
        world.expectation("1.2.3", "1.2.2", fail_after=3), fits=lambda verdict: isinstance(verdict, Failed)
    )
    assert not reason(world.release()["status"], "Stalled")


async def test_a_stuck_release_goes_on_when_the_next_chart_comes(world: World) -> None:
    await world.push("1.2.3", outcome="stuck")
    expectation = world.expectation("1.2.3", "1.2.2")
    seen = await world.verdicts(expectation, fits=lambda one: "Running 'upgrade'" in one.message)
    assert isinstance(seen[-1], Progressing)
    newer = await world.push("1.2.4")
    later = Later("0199-newer", "1.2.4", newer)
    _, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2", later=(later,)))
    assert isinstance(verdict, Superseded)
    assert verdict.by == "0199-newer"
    _, newest = await world.outcome(world.expectation("1.2.4", "1.2.3"))
    assert isinstance(newest, Succeeded)


async def test_of_two_deployments_back_to_back_the_first_may_be_passed_over(world: World) -> None:
    world.double.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": {"suspend": True}})
    await world.push("1.2.3")
    newer = await world.push("1.2.4")
    world.double.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": {"suspend": False}})
    _, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2", later=(Later("0199-newer", "1.2.4", newer),)))
    assert isinstance(verdict, Superseded)
    _, verdict = await world.outcome(world.expectation("1.2.4", "1.2.3"))
    assert isinstance(verdict, Succeeded)


async def test_a_suspended_release_deploys_when_it_is_resumed(world: World) -> None:
    world.double.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": {"suspend": True}})
    await world.push("1.2.3")
    expectation = world.expectation("1.2.3", "1.2.2")
    await world.status(HELM_CHARTS, lambda status: (status.get("artifact") or {}).get("revision") == "1.2.3")
    seen = await world.verdicts(expectation, fits=lambda verdict: "is suspended" in verdict.message)
    assert isinstance(seen[-1], Progressing)
    world.double.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": {"suspend": None}})
    assert isinstance((await world.outcome(expectation))[1], Succeeded)


async def test_an_unmet_dependency_delays_and_is_named(world: World) -> None:
    spec = {"dependsOn": [{"name": "redis"}]}
    world.double.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": spec})
    await world.push("1.2.3")
    expectation = world.expectation("1.2.3", "1.2.2")
    await world.verdicts(expectation, fits=lambda verdict: "unable to get 'default/redis'" in verdict.message)
    for resource, obj in FluxRelease(name="redis", path=PATH, source=world.source).objects():
        world.double.create(resource, obj)
    assert isinstance((await world.outcome(expectation))[1], Succeeded)


async def test_a_version_that_did_not_change_is_never_deployed(world: World) -> None:
    await world.push("1.2.2", outcome="fail")
    _, verdict = await world.outcome(an_hour_later(world.expectation("1.2.2", "1.2.2")))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "same-version"
    commit = world.commits[-1]
    built = await world.status(HELM_CHARTS, lambda status: commit in status.get("observedSourceArtifactRevision", ""))
    assert built["status"]["artifact"]["metadata"]["dag-sandbox/commit"] == world.commits[0]
    assert len(world.release()["status"]["history"]) == 1


async def test_with_the_strategy_revision_every_commit_is_deployed(world: World) -> None:
    spec = {"chart": {"spec": {"reconcileStrategy": "Revision"}}}
    world.double.merge_patch(HELM_RELEASES, "default", "podinfo", {"spec": spec})
    commit = await world.push("1.2.2", seconds=0)
    _, verdict = await world.outcome(world.expectation("1.2.2", "1.2.2"))
    assert isinstance(verdict, Succeeded)
    assert verdict.evidence.revision == f"1.2.2+{commit[:12]}"


async def test_a_chart_that_is_not_there_fails_with_the_path(world: World) -> None:
    world.commits.append(await world.host.commit("iac", {f"{PATH}/Chart.yaml": b"{not yaml"}))
    _, verdict = await world.outcome(world.expectation("1.2.3", "1.2.2"))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "chart-build-failed"
    assert "invalid chart reference: Chart.yaml" in verdict.message


async def test_wrong_words_in_the_values_are_told(world: World) -> None:
    await world.push("1.2.3", outcome="explode")
    fits = lambda verdict: "sandbox.outcome is 'explode', it must be one of" in verdict.message  # noqa: E731
    await world.verdicts(world.expectation("1.2.3", "1.2.2"), fits=fits)


async def test_a_git_host_that_refuses_is_explained_and_recovered_from(world: World) -> None:
    world.double.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": {"secretRef": None}})
    # A fetch under way may still hold the secret: push only once Flux was refused.
    await until(lambda: "AuthenticationFailed" in str(world.double.get(GIT_REPOSITORIES, "flux-system", "iac")))
    await world.push("1.2.3")
    expectation = world.expectation("1.2.3", "1.2.2")
    seen = await world.verdicts(expectation, fits=lambda verdict: "cannot be fetched" in verdict.message)
    assert "AuthenticationFailed" in seen[-1].message
    world.double.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", {"spec": {"secretRef": {"name": "iac-auth"}}})
    assert isinstance((await world.outcome(expectation))[1], Succeeded)


async def test_a_foreign_commit_on_our_chart_while_flux_works_on_it_supersedes_ours(world: World) -> None:
    await world.push("1.2.3", outcome="stuck")
    expectation = world.expectation("1.2.3", "1.2.2")
    await world.verdicts(expectation, fits=lambda one: "Running 'upgrade'" in one.message)
    foreign = await world.host.commit("iac", chart("9.9.9"))
    knowing = replace(expectation, relations={**expectation.relations, foreign: Relation.REPLACED})
    _, verdict = await world.outcome(knowing)
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.version) == ("", "9.9.9")


async def test_a_controller_restarted_in_mid_work_goes_on(tmp_path: Path) -> None:
    async with GitHost(tmp_path / "git") as host:
        source = FluxSource(url=host.url("iac"))
        await host.commit("iac", chart("1.2.2"))
        double = ClusterDouble()
        release = FluxRelease(name="podinfo", path=PATH, source=source)
        async with FluxReconciler(double, [release], pace=QUICK) as flux:
            world = World(host, double, flux, source, [host.repository("iac").tip()])
            await world.deployed("1.2.2")
            flux.outcomes["default", "podinfo"] = Outcome("stuck")
            await world.push("1.2.3")
            expectation = world.expectation("1.2.3", "1.2.2")
            await world.verdicts(expectation, fits=lambda one: "Running 'upgrade'" in one.message)
        async with FluxReconciler(double, [release], pace=QUICK):
            assert isinstance((await world.outcome(expectation))[1], Succeeded)


async def test_a_request_is_answered_without_waiting_for_the_interval(tmp_path: Path) -> None:
    async with GitHost(tmp_path / "git") as host:
        source = FluxSource(url=host.url("iac"), interval=3600)
        await host.commit("iac", chart("1.2.2"))
        double = ClusterDouble()
        slow = Pace(action=0.05)
        async with FluxReconciler(double, [FluxRelease(name="podinfo", path=PATH, source=source)], pace=slow) as flux:
            world = World(host, double, flux, source, [host.repository("iac").tip()])
            await world.deployed("1.2.2")
            await world.push("1.2.3")
            note = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "token-1"}}}
            double.merge_patch(GIT_REPOSITORIES, "flux-system", "iac", note)
            assert isinstance((await world.outcome(world.expectation("1.2.3", "1.2.2")))[1], Succeeded)
            await world.status(GIT_REPOSITORIES, lambda status: status.get("lastHandledReconcileAt") == "token-1")


async def test_a_first_install_that_fails_is_uninstalled_and_tried_again(tmp_path: Path) -> None:
    async with GitHost(tmp_path / "git") as host:
        source = FluxSource(url=host.url("iac"))
        commit = await host.commit("iac", chart("1.0.0", outcome="fail"))
        double = ClusterDouble()
        release = FluxRelease(name="podinfo", path=PATH, source=source, retries=1)
        async with FluxReconciler(double, [release], pace=QUICK) as flux:
            world = World(host, double, flux, source, [commit])
            _, verdict = await world.outcome(world.expectation("1.0.0", "", fail_after=0))
        assert isinstance(verdict, Failed)
        assert verdict.reason == "retries-exceeded"
        assert "Helm install failed" in verdict.message
        assert verdict.message.endswith("Failed to install after 2 attempt(s). Flux uninstalled the release.")


async def test_retry_on_failure_never_stalls(tmp_path: Path) -> None:
    async with GitHost(tmp_path / "git") as host:
        source = FluxSource(url=host.url("iac"))
        commit = await host.commit("iac", chart("1.0.0", outcome="fail"))
        double = ClusterDouble()
        spec = {
            "install": {"strategy": {"name": "RetryOnFailure"}},
            "upgrade": {"strategy": {"name": "RetryOnFailure"}},
        }
        release = FluxRelease(name="podinfo", path=PATH, source=source, spec=spec)
        async with FluxReconciler(double, [release], pace=QUICK) as flux:
            world = World(host, double, flux, source, [commit])
            told, verdict = await world.outcome(world.expectation("1.0.0", "", fail_after=2))
        assert isinstance(verdict, Failed)
        assert any("retrying after 5m0s" in message for message in told)
