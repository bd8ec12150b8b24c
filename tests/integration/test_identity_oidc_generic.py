from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from identity_page import CLAIMS
from oidc_world import KEY, OURS, World, claim_of

from dag_common.errors import Unavailable, Unproven
from dag_common.registry.providers import ClaimNames, Provider
from dag_sandbox.oidc_issuer import IssuerDouble


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for client in world.clients:
        await client.close()


FORGEJO = ClaimNames(ref_type="ref_type")
AZURE = ClaimNames(repo="rpo_uri", ref="rpo_ref", sha="rpo_ver")
SLUG = ClaimNames(repo="pipeline_slug", ref="build_branch", run="job_id")


async def _generic(world: World, double: IssuerDouble, names: ClaimNames, told: Mapping[str, Any], **claim: Any) -> str:
    provider = Provider(kind="oidc", url=double.url, audience=OURS, claims=names)
    token = double.issuer.mint({**told, "aud": [OURS, "other"]})
    return (await world.verifier(provider).verify(claim_of(token, **claim))).ref


@pytest.mark.parametrize(
    ("names", "told", "claim"),
    [
        (FORGEJO, {**CLAIMS["Forgejo"], "repository": "acme/shop"}, {}),
        (AZURE, {**CLAIMS["Azure Pipelines"], "rpo_uri": "https://github.com/acme/shop.git"}, {}),
        (SLUG, CLAIMS["Buildkite"], {"project_id": "web", "job_id": CLAIMS["Buildkite"]["job_id"]}),
    ],
    ids=["path", "url", "pinned path"],
)
async def test_a_repository_is_known_by_whatever_an_issuer_tells_of_it(
    world: World, names: ClaimNames, told: dict[str, Any], claim: dict[str, str]
) -> None:
    async with IssuerDouble(path="/ci/oidc") as double:
        assert await _generic(world, double, names, told, **claim) == "main"


@pytest.mark.parametrize(
    ("names", "told", "claim", "words"),
    [
        (FORGEJO, {**CLAIMS["Forgejo"], "repository": "evil/shop"}, {}, "is of 'evil/shop'"),
        (
            AZURE,
            {**CLAIMS["Azure Pipelines"], "rpo_uri": "https://evil.example.com/acme/shop"},
            {},
            "is of 'https://ev",
        ),
        (AZURE, {**CLAIMS["Azure Pipelines"], "rpo_uri": "mailto:x"}, {}, "is of 'mailto:x'"),
        (SLUG, CLAIMS["Buildkite"], {"project_id": "shop", "job_id": CLAIMS["Buildkite"]["job_id"]}, "as project shop"),
        (SLUG, CLAIMS["Buildkite"], {"project_id": "web", "job_id": "j-2"}, "and 'j-2' was sent as jobId"),
    ],
    ids=["path", "url", "no url", "pin", "job"],
)
async def test_another_issuers_token_that_does_not_fit_is_unproven_and_told_why(
    world: World, names: ClaimNames, told: dict[str, Any], claim: dict[str, str], words: str
) -> None:
    async with IssuerDouble() as double:
        double.issuer._keys = [KEY]
        with pytest.raises(Unproven, match=words):
            await _generic(world, double, names, told, **claim)


@pytest.mark.parametrize(
    "discovered",
    [{"issuer": "https://evil.example.com"}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": 7}],
    ids=str,
)
async def test_a_discovery_document_that_is_not_the_issuers_own_leads_nowhere(
    world: World, discovered: dict[str, Any]
) -> None:
    async with IssuerDouble() as double:
        double.issuer._keys, double.discovered = [KEY], discovered
        with pytest.raises(Unavailable, match="check its issuer and jwksUrl"):
            await _generic(world, double, FORGEJO, CLAIMS["Forgejo"])
        assert double.questions == 0
