from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dag_common.errors import Unavailable
from dag_common.iac.access import commit_url
from dag_common.registry.file import RegistryFile
from dag_common.registry.registry import find_environment
from dag_sandbox.addresses import Addresses, ask_addresses, mint_job
from dag_sandbox.looking import show_last_commit
from dag_sandbox.world import Ground, world


async def test_the_registry_a_sandbox_writes_lets_its_project_deploy(tmp_path: Path) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        registry = await RegistryFile(tmp_path / "registry").start()
        app = registry.find_app(addresses.repo_url)
    assert registry.problems == ()
    assert find_environment(app, "main").name == "staging"
    assert find_environment(app, "release/1").name == "production"


async def test_its_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()):
        written = list((tmp_path / "registry").iterdir())
    assert len(written) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


async def test_the_cluster_takes_the_token_the_registry_refers_to(tmp_path: Path) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        token = (tmp_path / "registry/sandbox-cluster.token").read_text()
        url = f"{addresses.cluster}/apis/helm.toolkit.fluxcd.io/v2/helmreleases"
        async with httpx.AsyncClient() as http:
            assert (await http.get(url)).status_code == 401
            answer = await http.get(url, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


async def test_a_job_minted_at_the_front_door_is_proven_by_the_job_api(tmp_path: Path) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        assert await ask_addresses(addresses.front) == addresses
        job = await mint_job(addresses.gitlab)
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"{addresses.gitlab}/api/v4/job", headers={"JOB-TOKEN": job.token})
    assert str(answer.json()["id"]) == job.job_id
    assert answer.json()["web_url"].startswith(addresses.repo_url)


async def test_the_links_to_a_commit_and_a_job_lead_to_pages_without_credentials(tmp_path: Path) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        shown = await show_last_commit(addresses.iac_url_to_clone, tmp_path / "iac")
        commit = commit_url(addresses.iac_url, shown.split()[1])
        job = await mint_job(addresses.gitlab)
        async with httpx.AsyncClient() as http:
            pages = [await http.get(url) for url in (commit, f"{addresses.gitlab}/")]
            pages.append(await http.get(f"{addresses.repo_url}/-/jobs/{job.job_id}"))
            missing = await http.get(commit_url(addresses.iac_url, "0" * 40))
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert "Begin" in pages[0].text
    assert "A README.md" in pages[0].text
    assert f"/-/jobs/{job.job_id}" in pages[1].text
    assert job.sha in pages[2].text
    assert job.token not in pages[2].text
    assert missing.status_code == 404


async def test_the_iac_repository_outlives_the_sandbox(tmp_path: Path) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        first = await show_last_commit(addresses.iac_url_to_clone, tmp_path / "one")
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        assert await show_last_commit(addresses.iac_url_to_clone, tmp_path / "two") == first
    assert "README.md" in first


async def test_a_sandbox_that_starts_again_repeats_no_job_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for day in (1, 2):
        monkeypatch.setattr("dag_sandbox.world.now", lambda day=day: datetime(2026, 11, day, tzinfo=UTC))
        async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
            ids += [int((await mint_job(addresses.gitlab)).job_id) for _ in range(2)]
    assert ids == sorted(set(ids))


async def test_a_sandbox_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(Unavailable, match="There is no sandbox at"):
        await ask_addresses("http://127.0.0.1:9")


def test_addresses_follow_the_name_their_reader_used() -> None:
    told = Addresses(
        front="http://sandbox:1", git="http://sandbox:2", gitlab="http://sandbox:3", cluster="http://sandbox:4"
    )
    seen = told.seen_through("http://127.0.0.1:8090")
    assert seen.git == "http://127.0.0.1:2"
    assert seen.iac_url_to_clone == "http://dag:sandbox@127.0.0.1:2/iac.git"


@pytest.mark.parametrize(("branch", "kind"), [("main", "flux"), ("argocd", "argocd"), ("workload", "workload")])
async def test_an_environment_is_watched_as_the_kind_that_brings_it(tmp_path: Path, branch: str, kind: str) -> None:
    async with world(tmp_path, tmp_path / "registry", Ground()) as addresses:
        registry = await RegistryFile(tmp_path / "registry").start()
        environment = find_environment(registry.find_app(addresses.repo_url), branch)
    assert [target.kind for target in environment.targets] == [kind]
