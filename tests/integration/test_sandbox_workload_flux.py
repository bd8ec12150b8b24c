"""The sandbox's Flux with the workloads it brings, refused manifests, and a helm-controller that dies all the time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from conditions import until
from flux_world import PATH, World, chart, runs
from played_cluster import QUICK, MortalDouble, deaths, pictures, verdict, verdicts

from dag_monitor.domain.verdict import Failed, Progressing, Succeeded
from dag_sandbox.cluster.resources import DEPLOYMENTS, PODS
from dag_sandbox.githost import GitHost
from dag_sandbox.reconcilers.flux import FluxReconciler, FluxRelease, FluxSource
from dag_sandbox.reconcilers.health import HEALTHY, health
from dag_sandbox.reconcilers.workloads import WorkloadControllers

LIVE = ("default", "podinfo")


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[World]:
    async with GitHost(directory / "git") as host:
        source = FluxSource(url=host.url("iac"))
        commit = await host.commit("iac", chart("1.2.2"))
        double = MortalDouble()
        release = FluxRelease(name="podinfo", path=PATH, source=source)
        flux = FluxReconciler(double, [release], pace=QUICK, workloads=True)
        async with WorkloadControllers(double, pace=QUICK), flux:
            here = World(host, double, flux, source, [commit])
            await here.deployed("1.2.2")
            yield here


def chart_of(world: World) -> str:
    return str(world.double.get(DEPLOYMENTS, *LIVE)["metadata"]["labels"]["helm.sh/chart"])


async def test_a_release_is_ready_only_when_its_deployment_is(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        since = world.double.history.head
        await world.push("1.2.3")
        expected = world.expectation("1.2.3", "1.2.2")
        await world.deployed("1.2.3")
        said = verdicts(world.double, expected, since=since)
        first = next(place for place, one in enumerate(said) if isinstance(one, Succeeded))
        assert {type(one) for one in said[:first]} == {Progressing}
        seen = list(pictures(world.double, since=since))[first]
        (live,) = (obj for ref, obj in seen.items() if ref.kind == "Deployment")
        assert health(dict(live)).status == HEALTHY
        assert chart_of(world) == "podinfo-1.2.3"


async def test_a_failed_upgrade_leaves_the_sick_pods_to_look_at(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.push("1.2.3", outcome="fail", symptom="image-pull")
        expected = world.expectation("1.2.3", "1.2.2")
        await until(lambda: isinstance(verdict(world.double, expected), Failed))
        assert "ImagePullBackOff" in str(world.double.list(PODS)) or "ErrImagePull" in str(world.double.list(PODS))
        assert chart_of(world) == "podinfo-1.2.3"


async def test_a_rollback_brings_the_old_deployment_back(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.push("1.2.3", outcome="rollback")
        expected = world.expectation("1.2.3", "1.2.2", fail_after=0)
        await until(lambda: isinstance(verdict(world.double, expected), Failed))
        assert chart_of(world) == "podinfo-1.2.2"
        await until(lambda: health(world.double.get(DEPLOYMENTS, *LIVE)).status == HEALTHY)


async def test_manifests_the_api_server_refuses_fail_with_its_words(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.push("1.2.3", outcome="refused", reason="spec.selector: field is immutable")
        expected = world.expectation("1.2.3", "1.2.2")
        await until(lambda: isinstance(verdict(world.double, expected), Failed))
        assert "spec.selector: field is immutable" in verdict(world.double, expected).message
        assert chart_of(world) == "podinfo-1.2.2"


@pytest.mark.parametrize("outcome", ["succeed", "retry-then-succeed"])
async def test_controllers_that_die_one_write_later_each_time_get_a_release_there(tmp_path: Path, outcome: str) -> None:
    async with running(tmp_path) as world:
        pass
    double = world.double
    assert isinstance(double, MortalDouble)
    async with GitHost(tmp_path / "git") as host:
        world.host, world.source = host, FluxSource(url=host.url("iac"))
        spec = {"spec": {"url": world.source.url}}
        (resource, repository), *_ = list(world.source.objects())
        double.merge_patch(resource, repository["metadata"]["namespace"], repository["metadata"]["name"], spec)
        since = double.history.head
        await world.push("1.2.3", outcome=outcome)
        expected, lives = world.expectation("1.2.3", "1.2.2", fail_after=0), 0
        while not _arrived(world) and lives < 100:  # after one write each time, none would ever get past its first
            lives += 1
            double.left = lives
            with deaths():
                flux = FluxReconciler(double, pace=QUICK, workloads=True)
                async with WorkloadControllers(double, pace=QUICK), flux:
                    await until(lambda: double.left == 0 or _arrived(world))
        double.left = None
        said = verdicts(double, expected, since=since)
        assert lives > 4
        assert isinstance(said[-1], Succeeded)
        assert Failed not in {type(one) for one in said}


def _arrived(world: World) -> bool:
    return runs(dict(list(pictures(world.double))[-1]), "1.2.3")
