from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from oidc_world import KEY, OURS, World, claim_of

from dag_common.errors import Unproven
from dag_common.registry.providers import Provider
from dag_gateway.domain.jobs import JobClaim, RefType
from dag_gateway.identity.gitlab import GitLabVerifier
from dag_gateway.identity.oidc import GitLabTokens
from dag_gateway.identity.provider_client import ProviderClient
from dag_sandbox.gitlab import GitLabDouble


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for client in world.clients:
        await client.close()


@pytest.fixture
async def gitlab() -> AsyncIterator[GitLabDouble]:
    async with GitLabDouble(path="/gitlab") as double:
        double.issuer._keys = [KEY]
        yield double


def _gitlab(world: World, double: GitLabDouble, **more: Any) -> GitLabTokens:
    provider = Provider(kind="gitlab", url=double.url, **{"audience": OURS, **more})
    id_tokens = world.verifier(provider) if provider.audience else None
    world.clients.append(ProviderClient("ci", provider))
    return GitLabTokens(GitLabVerifier(world.clients[-1], double.url), id_tokens)


def _gitlab_claim(double: GitLabDouble, *, aud: str = OURS, **claims: Any) -> JobClaim:
    job = double.create_job(ref="main")
    told = {name: value for name, value in claims.items() if name not in {"repo_url", "pin", "sent"}}
    token = double.id_token(job.id, aud, **told)
    url = claims.get("repo_url", double.project_url())
    return claim_of(token, repo_url=url, job_id=claims.get("sent", str(job.id)), project_id=claims.get("pin"))


async def test_a_gitlab_job_is_proven_by_its_id_token_with_all_its_facts(gitlab: GitLabDouble, world: World) -> None:
    claim = _gitlab_claim(gitlab)
    proven = await _gitlab(world, gitlab).verify(claim)
    assert (proven.kind, proven.project_path, proven.ref, proven.source) == ("gitlab", "acme/shop", "main", "push")
    assert (proven.protected, proven.actor, proven.ref_type) == (True, "alice", RefType.BRANCH)
    assert proven.job_url == f"{gitlab.url}/acme/shop/-/jobs/{claim.job_id}"
    assert gitlab.questions == 0


async def test_a_group_called_like_gitlabs_sub_path_does_not_own_other_groups_paths(
    gitlab: GitLabDouble, world: World
) -> None:
    job = gitlab.create_job(project="gitlab/acme/shop")
    for token in (job.token, gitlab.id_token(job.id, OURS)):
        with pytest.raises(Unproven, match=r"gitlab/acme/shop'?, not"):
            await _gitlab(world, gitlab).verify(
                claim_of(token, repo_url=gitlab.project_url("acme/shop"), job_id=str(job.id))
            )


async def test_a_gitlab_that_takes_id_tokens_takes_job_tokens_too(gitlab: GitLabDouble, world: World) -> None:
    job = gitlab.create_job()
    claim = claim_of(job.token, repo_url=gitlab.project_url(), job_id=str(job.id))
    assert (await _gitlab(world, gitlab).verify(claim)).protected is None
    assert gitlab.questions == 1


async def test_a_merge_request_from_a_branch_called_main_looks_like_main_and_is_refused(
    gitlab: GitLabDouble, world: World
) -> None:
    wish = {"ref": "refs/merge-requests/7/head", "source": "merge_request_event", "source_branch": "main"}
    job = gitlab.create_job(**wish)
    token = gitlab.id_token(job.id, OURS)
    told = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (told["ref"], told["ref_type"], told["ref_path"]) == ("main", "branch", "refs/heads/main")
    with pytest.raises(Unproven, match="merge request's pipeline"):
        await _gitlab(world, gitlab).verify(claim_of(token, repo_url=gitlab.project_url(), job_id=str(job.id)))


async def test_a_job_token_that_is_a_jwt_is_still_a_job_token(gitlab: GitLabDouble, world: World) -> None:
    claim = replace(_gitlab_claim(gitlab), token=gitlab.issuer.mint({"sub": "job"}))
    with pytest.raises(Unproven, match="Send CI_JOB_TOKEN"):
        await _gitlab(world, gitlab).verify(claim)
    assert gitlab.questions == 1


async def test_an_id_token_for_a_gitlab_without_audience_is_told_apart(gitlab: GitLabDouble, world: World) -> None:
    with pytest.raises(Unproven, match="has no audience configured"):
        await _gitlab(world, gitlab, audience="").verify(_gitlab_claim(gitlab))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"pipeline_source": "merge_request_event"}, "merge request's pipeline"),
        ({"pipeline_source": None}, "does not say pipeline_source"),
        ({"ref_type": "tag", "ref_path": "refs/tags/main"}, "a job on a 'tag'"),
        ({"ref_path": "refs/tags/main"}, "a job on 'refs/tags/main'"),
        ({"ref_path": None}, "only a job on a branch"),
        ({"ref_path": "refs/heads/dev"}, "two different branches"),
        ({"project_id": "999"}, "runs in project '101' for project 999"),
        ({"job_project_id": "999"}, "runs in project '999'"),
        ({"job_project_id": None}, "runs in project ''"),
        ({"project_path": "evil/shop"}, "is of 'evil/shop', not of"),
        ({"project_path": "gitlab/acme/shop"}, "is of 'gitlab/acme/shop', not of"),
        ({"pin": "102"}, "is configured as project 102"),
        ({"sent": "1"}, "and '1' was sent as jobId: send that CI_JOB_ID"),
        ({"aud": "https://other.example.com"}, "is meant for"),
        ({"iss": "https://gitlab.com"}, "is of the issuer"),
    ],
    ids=str,
)
async def test_a_gitlab_token_that_does_not_fit_is_unproven_and_told_why(
    gitlab: GitLabDouble, world: World, claims: Mapping[str, Any], words: str
) -> None:
    claim = _gitlab_claim(gitlab, **claims)
    with pytest.raises(Unproven, match=words):
        await _gitlab(world, gitlab).verify(claim)


async def test_a_gitlab_project_is_known_by_its_pin_and_by_its_ssh_address(gitlab: GitLabDouble, world: World) -> None:
    verifier = _gitlab(world, gitlab)
    await verifier.verify(_gitlab_claim(gitlab, pin="101", project_path="acme/renamed"))
    await verifier.verify(_gitlab_claim(gitlab, repo_url="git@127.0.0.1:Acme/Shop.git"))


async def test_an_old_gitlab_that_does_not_say_where_the_job_runs_is_taken(gitlab: GitLabDouble, world: World) -> None:
    claim = _gitlab_claim(gitlab)
    told = json.loads(base64.urlsafe_b64decode(claim.token.split(".")[1] + "=="))
    del told["job_project_id"]
    assert (await _gitlab(world, gitlab).verify(replace(claim, token=gitlab.issuer.mint(told)))).ref == "main"
