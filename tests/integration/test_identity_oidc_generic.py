from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from oidc_world import KEY, OURS, World, claim_of

from dag_common.errors import Unavailable, Unproven
from dag_common.registry.schema import ClaimNames, Provider
from dag_sandbox.oidc_issuer import IssuerDouble


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for client in world.clients:
        await client.close()


BUILDKITE = {
    "organization_slug": "acme", "organization_id": "o-1", "pipeline_slug": "shop", "build_number": 10,
    "build_branch": "main", "build_commit": "c0ffee", "job_id": "j-1",
}  # fmt: skip
FORGEJO = {"repository": "acme/shop", "ref": "refs/heads/main", "sha": "c0ffee", "run_id": "4711", "ref_type": "branch"}
BITBUCKET = {"repositoryUuid": "{r-1}", "branchName": "main", "pipelineUuid": "{p-1}", "workspaceUuid": "{w-1}"}
AZURE = {
    "rpo_uri": "https://github.com/acme/shop.git", "rpo_ref": "refs/heads/main", "rpo_ver": "c0ffee", "run_id": "4711",
    "org_id": "o-1",
}  # fmt: skip
SHAPES: dict[str, tuple[dict[str, Any], ClaimNames, dict[str, str], dict[str, Any]]] = {
    "buildkite": (
        BUILDKITE,
        ClaimNames(repo="pipeline_slug", ref="build_branch", sha="build_commit", run="job_id", tag="build_tag"),
        {"organization_id": "o-1"},
        {"project_id": "shop", "job_id": "j-1"},
    ),
    "forgejo": (FORGEJO, ClaimNames(ref_type="ref_type"), {}, {}),
    "bitbucket": (
        BITBUCKET,
        ClaimNames(repo="repositoryUuid", ref="branchName", run="pipelineUuid"),
        {"workspaceUuid": "{w-1}"},
        {"project_id": "{r-1}", "job_id": "{p-1}"},
    ),
    "azure": (AZURE, ClaimNames(repo="rpo_uri", ref="rpo_ref", sha="rpo_ver"), {"org_id": "o-1"}, {}),
}


async def _generic(world: World, double: IssuerDouble, shape: str, **claims: Any) -> str:
    told, names, required, changes = SHAPES[shape]
    provider = Provider(kind="oidc", url=double.url, audience=OURS, claims=names, required_claims=required)
    token = double.issuer.mint({**told, "aud": [OURS, "other"], **claims})
    return (await world.verifier(provider).verify(claim_of(token, **changes))).ref


@pytest.mark.parametrize("shape", SHAPES)
async def test_tokens_of_other_issuers_are_read_by_configuration_and_found_by_discovery(
    world: World, shape: str
) -> None:
    async with IssuerDouble(path="/ci/oidc") as double:
        assert await _generic(world, double, shape) == "main"


@pytest.mark.parametrize(
    ("shape", "claims", "words"),
    [
        ("buildkite", {"organization_id": "o-2"}, "organization_id is 'o-2', and o-1 is required"),
        ("buildkite", {"organization_id": None}, "and o-1 is required"),
        ("buildkite", {"build_tag": "main"}, "a job on the tag 'main'"),
        ("buildkite", {"pipeline_slug": "other"}, "is configured as project shop"),
        ("buildkite", {"job_id": "j-2"}, "belongs to job_id 'j-2'"),
        ("forgejo", {"repository": "evil/shop"}, "is of 'evil/shop'"),
        ("forgejo", {"ref": "refs/pull/1/head"}, "only a job on a branch"),
        ("forgejo", {"ref_type": "tag"}, "ref_type is 'tag', not branch"),
        ("bitbucket", {"branchName": None}, "does not say branchName"),
        ("azure", {"rpo_uri": "https://evil.example.com/acme/shop"}, "is of 'https://evil"),
        ("azure", {"rpo_uri": "mailto:x"}, "is of 'mailto:x'"),
    ],
    ids=str,
)
async def test_another_issuers_token_that_does_not_fit_is_unproven_and_told_why(
    world: World, shape: str, claims: Mapping[str, Any], words: str
) -> None:
    async with IssuerDouble() as double:
        double.issuer._keys = [KEY]
        with pytest.raises(Unproven, match=words):
            await _generic(world, double, shape, **claims)


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
            await _generic(world, double, "forgejo")
        assert double.questions == 0
