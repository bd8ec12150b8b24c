"""A gateway whose registry is a snippet of docs/identity.md, with that provider's issuer of the sandbox before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gateway_world
import httpx
from identity_page import CLAIMS, registry_of, snippets
from oidc_world import KEY

from dag_common.registry.apps import App
from dag_common.registry.providers import Provider
from dag_common.store.database import Database
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_jobs import id_token_claims
from dag_sandbox.oidc_issuer import IssuerDouble

GITHUB_PATH = "/_services/token"


@dataclass(frozen=True, slots=True)
class Ci:
    """A provider's CI before a gateway; `claims` are those of the job `job_id`."""

    world: gateway_world.World
    provider: Provider
    app: App
    double: GitLabDouble | IssuerDouble
    claims: dict[str, Any]
    job_id: str

    def token(self, **changes: Any) -> str:
        """A fresh token of the job; a claim changed to None says nothing."""
        return self.double.issuer.mint({**self.claims, "aud": self.provider.audience, **changes})

    async def deploy(self, token: str, *, version: str = "1.2.3", key: str = "", **changes: str) -> httpx.Response:
        """POST /api/deploy, as the job."""
        data = {"repoUrl": self.app.repo_url, "jobId": self.job_id, "jobToken": token, "version": version, **changes}
        files = {"chart": ("chart.tgz", gateway_world.chart())}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.world.client.post("/api/deploy", data=data, files=files, headers=headers)


@asynccontextmanager
async def ci_of(
    heading: str, database: Database, directory: Path, *, without: str = "", beside: Ci | None = None
) -> AsyncIterator[Ci]:
    """The provider under this heading of the page; `without` is a piece of its snippet that is taken out.

    `beside` another, it is the same issuer before a second gateway.
    """
    snippet = snippets()[heading]
    assert without in snippet
    (documented,) = registry_of(snippet).providers.values()
    async with AsyncExitStack() as stack:
        double = beside.double if beside else await stack.enter_async_context(_double(documented))
        double.issuer._keys = [KEY]
        text = snippet.replace(without, "").replace(documented.url, _base(double, documented))
        world = await stack.enter_async_context(gateway_world.world_on(database, directory, more=text))
        registry = registry_of(text)
        ((provider,), (app,)) = registry.providers.values(), registry.apps
        claims = _claims(heading, double)
        run = {"gitlab": "job_id", "github": "run_id"}.get(provider.kind, provider.claims.run)
        yield Ci(world, provider, app, double, claims, claims[run])


def _double(provider: Provider) -> GitLabDouble | IssuerDouble:
    if provider.kind == "gitlab":
        return GitLabDouble()
    return IssuerDouble(path=GITHUB_PATH if provider.kind == "github" else urlsplit(provider.url).path)


def _base(double: GitLabDouble | IssuerDouble, provider: Provider) -> str:
    return double.url.removesuffix(GITHUB_PATH) if provider.kind == "github" else double.url


def _claims(heading: str, double: GitLabDouble | IssuerDouble) -> dict[str, Any]:
    if isinstance(double, GitLabDouble):
        return id_token_claims(double.create_job(project="acme/web"), double.url)
    return dict(CLAIMS[heading])
