from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from certificates import Certificates, make_certificates
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dag_common.errors import Unavailable, Unproven
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry
from dag_common.runtime import clock
from dag_gateway.identity.verifiers import ProviderVerifiers, claim_for
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_jobs import Job
from dag_sandbox.serving import serve

TEXT = """
providers:
  gitlab: {{kind: gitlab, url: "{url}"{more}}}
iac: {{infra: {{url: "https://git.example.com/infra.git"}}}}
apps:
  - name: shop
    repoUrl: "{url}/acme/shop"
    provider: gitlab
    environments: [{{name: p, branch: main, iac: {{repository: infra, path: shop}}, targets: [{{kind: none}}]}}]
"""


class _Registries:
    """The registry in effect, which a test may replace."""

    def __init__(self) -> None:
        self.current = load([])

    def put(self, directory: Path, url: str, more: str = "") -> None:
        self.current = load([SourceFile("dag.yaml", TEXT.format(url=url, more=more).encode(), directory)])
        assert self.current.problems == ()

    def __call__(self) -> Registry:
        return self.current


@pytest.fixture
async def gitlab() -> AsyncIterator[GitLabDouble]:
    async with GitLabDouble() as double:
        yield double


@pytest.fixture
def registries() -> _Registries:
    return _Registries()


@pytest.fixture
async def verifiers(registries: _Registries) -> AsyncIterator[ProviderVerifiers]:
    verifiers = ProviderVerifiers(registries, clock.now)
    yield verifiers
    await verifiers.close()


async def _verify(verifiers: ProviderVerifiers, registries: _Registries, job: Job) -> str:
    (app,) = registries.current.apps
    return (await verifiers.verify(claim_for(app, str(job.id), job.token))).ref


async def test_the_apps_provider_is_asked(
    gitlab: GitLabDouble, registries: _Registries, verifiers: ProviderVerifiers, tmp_path: Path
) -> None:
    registries.put(tmp_path, gitlab.url)
    assert await _verify(verifiers, registries, gitlab.create_job()) == "main"


async def test_a_provider_that_moved_is_asked_where_it_is_now(
    gitlab: GitLabDouble, registries: _Registries, verifiers: ProviderVerifiers, tmp_path: Path
) -> None:
    registries.put(tmp_path, gitlab.url)
    await _verify(verifiers, registries, gitlab.create_job())
    async with GitLabDouble() as moved:
        registries.put(tmp_path, moved.url)
        await _verify(verifiers, registries, moved.create_job())
    assert (gitlab.questions, moved.questions) == (1, 1)


async def test_a_provider_that_left_the_registry_is_unavailable(
    gitlab: GitLabDouble, registries: _Registries, verifiers: ProviderVerifiers, tmp_path: Path
) -> None:
    registries.put(tmp_path, gitlab.url)
    job, (app,) = gitlab.create_job(), registries.current.apps
    registries.current = load([])
    with pytest.raises(Unavailable, match="No CI provider named gitlab is configured"):
        await verifiers.verify(claim_for(app, str(job.id), job.token))


async def test_the_processs_proxy_variables_are_not_used(
    gitlab: GitLabDouble,
    registries: _Registries,
    verifiers: ProviderVerifiers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    registries.put(tmp_path, gitlab.url)
    assert await _verify(verifiers, registries, gitlab.create_job()) == "main"


async def test_a_configured_proxy_is_used(
    gitlab: GitLabDouble, registries: _Registries, verifiers: ProviderVerifiers, tmp_path: Path
) -> None:
    passed: list[str] = []

    async def proxy(request: Request) -> Response:
        passed.append(request.headers["host"])
        return PlainTextResponse("no", 401)

    async with serve(Starlette(routes=[Route("/{path:path}", proxy)])) as url:
        registries.put(tmp_path, gitlab.url, f', proxy: "{url}"')
        with pytest.raises(Unproven):
            await _verify(verifiers, registries, gitlab.create_job())
    assert passed == [gitlab.url.removeprefix("http://")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def test_a_private_authority_is_trusted_where_it_is_configured_and_nowhere_else(
    certificates: Certificates, registries: _Registries, verifiers: ProviderVerifiers
) -> None:
    async with GitLabDouble(ssl_certfile=certificates.certificate, ssl_keyfile=certificates.key) as gitlab:
        registries.put(certificates.authority.parent, gitlab.url, ", ca: {file: ca.pem}")
        assert await _verify(verifiers, registries, gitlab.create_job()) == "main"
        registries.put(certificates.authority.parent, gitlab.url)
        with pytest.raises(Unavailable, match=r"its TLS certificate is not trusted \(set the provider's ca\)"):
            await _verify(verifiers, registries, gitlab.create_job())


async def test_an_unreadable_ca_file_is_named(
    gitlab: GitLabDouble, registries: _Registries, verifiers: ProviderVerifiers, tmp_path: Path
) -> None:
    registries.put(tmp_path, gitlab.url, ", ca: {file: gone.pem}")
    with pytest.raises(Unavailable, match=r"CI provider gitlab cannot be asked: its CA file gone.pem cannot be read"):
        await _verify(verifiers, registries, gitlab.create_job())


async def test_the_double_is_steered_over_http(gitlab: GitLabDouble) -> None:
    async with httpx.AsyncClient(base_url=gitlab.url) as client:
        made = (await client.post("/_jobs", json={"project": "acme/docs", "ref": "v1", "tag": True})).json()
        headers = {"JOB-TOKEN": made["token"]}
        job = (await client.get("/api/v4/job", headers=headers)).json()
        assert (str(job["id"]), job["ref"], job["tag"]) == (made["jobId"], "v1", True)
        assert job["pipeline"]["project_id"] == made["projectId"]
        assert (await client.get("/api/v4/job", params={"job_token": made["token"]})).status_code == 200
        await client.put("/_faults", json={"status": 503, "times": 1})
        assert (await client.get("/api/v4/job", headers=headers)).status_code == 503
        assert (await client.get("/api/v4/job", headers=headers)).status_code == 200
        await client.post(f"/_jobs/{made['jobId']}/status", json={"status": "success"})
        assert (await client.get("/api/v4/job", headers=headers)).status_code == 401
        assert (await client.post("/_jobs", json={"branch": "main"})).status_code == 400
        assert (await client.post("/_jobs/1/status", json={"status": "success"})).status_code == 404
