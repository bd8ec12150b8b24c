from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import traceback
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from dag_common.errors import Unavailable, Unproven
from dag_common.registry.schema import ClaimNames, Environment, IacPlace, Provider, Target
from dag_common.runtime import clock
from dag_gateway.domain.jobs import JobClaim, RefType
from dag_gateway.domain.policies import admit
from dag_gateway.identity.gitlab import GitLabVerifier
from dag_gateway.identity.oidc import GitLabTokens, OidcVerifier
from dag_gateway.identity.provider_client import ProviderClient
from dag_sandbox.gitlab import GitLabDouble
from dag_sandbox.gitlab_faults import Fault
from dag_sandbox.oidc_issuer import IssuerDouble, github_claims

OURS = "https://dag.example.com"
RULES = Environment(
    name="production", branch="main", iac=IacPlace(repository="infra", path="shop"), targets=(Target(kind="none"),)
)

_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
"""Shared, for making one costs more than all else here; tests that rotate keys make their own."""


class Clock:
    """A monotonic clock that only a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticks = Clock()
    monkeypatch.setattr(clock, "monotonic", ticks)
    return ticks


@pytest.fixture
async def github() -> AsyncIterator[IssuerDouble]:
    async with IssuerDouble(path="/_services/token") as double:
        double.issuer._keys = [_KEY]
        yield double


class World:
    """Verifiers over one issuer, closed with the test."""

    def __init__(self) -> None:
        self.clients: list[ProviderClient] = []

    def verifier(self, provider: Provider) -> OidcVerifier:
        self.clients.append(ProviderClient("ci", provider))
        return OidcVerifier(self.clients[-1], provider)

    def github(self, double: IssuerDouble, **more: Any) -> OidcVerifier:
        base = double.url.removesuffix("/_services/token")
        return self.verifier(Provider(kind="github", url=base, audience=OURS, **more))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for client in world.clients:
        await client.close()


def _claim(token: str, **changes: Any) -> JobClaim:
    claim = JobClaim(
        provider="ci", repo_url="https://github.com/acme/shop", project_id=None, job_id="4711", token=token
    )
    return replace(claim, **changes)


def _token(double: IssuerDouble, *, lifetime: timedelta = timedelta(minutes=5), **claims: Any) -> str:
    return double.issuer.mint({**github_claims(), "aud": OURS, **claims}, lifetime=lifetime)


async def test_a_github_run_is_proven_with_all_its_facts(github: IssuerDouble, world: World) -> None:
    proven = await world.github(github).verify(_claim(_token(github)))
    assert (proven.provider, proven.kind, proven.source) == ("ci", "github", "push")
    assert (proven.project_id, proven.project_path) == ("74", "acme/shop")
    assert (proven.ref, proven.ref_type, proven.commit) == ("main", RefType.BRANCH, "0" * 40)
    assert (proven.actor, proven.protected, proven.job_id) == ("octocat", True, "4711")
    assert proven.job_url == f"{github.url.removesuffix('/_services/token')}/acme/shop/actions/runs/4711"
    admit(proven, RULES)


async def test_a_repository_pinned_by_its_id_is_known_through_a_rename(github: IssuerDouble, world: World) -> None:
    verifier = world.github(github)
    moved = _token(github, repository="acme/store")
    assert (await verifier.verify(_claim(moved, project_id="74"))).project_path == "acme/store"
    with pytest.raises(Unproven, match="is configured as project 74"):
        await verifier.verify(_claim(_token(github, repository_id="75"), project_id="74"))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"repository": "evil/shop"}, "is of 'evil/shop', not of https://github.com/acme/shop"),
        ({"repository": "shop"}, "not of"),
        ({"run_id": "4712"}, "belongs to GITHUB_RUN_ID '4712', and '4711' was sent"),
        ({"run_id": None}, "does not say run_id"),
        ({"ref_type": "tag", "ref": "refs/tags/main"}, "a run on a 'tag'"),
        ({"ref": "refs/pull/7/merge"}, "a job on 'refs/pull/7/merge'"),
        ({"ref": "main"}, "a job on 'main'"),
        ({"event_name": ""}, "does not say event_name"),
        ({"repository": None}, "does not say repository"),
        ({"aud": "https://github.com/acme"}, "is meant for 'https://github.com/acme'"),
        ({"aud": [f"{OURS}.evil.com"]}, "is meant for"),
        ({"aud": None}, "is meant for nobody"),
        ({"iss": "https://evil.example.com"}, "is of the issuer 'https://evil.example.com'"),
        ({"exp": None}, "does not say when"),
        ({"iat": None}, "does not say when"),
        ({"exp": "soon"}, "exp is no instant"),
        ({"exp": True}, "exp is no instant"),
    ],
    ids=str,
)
async def test_a_token_that_says_the_wrong_thing_is_unproven_and_told_why(
    github: IssuerDouble, world: World, claims: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(Unproven, match=words):
        await world.github(github).verify(_claim(_token(github, **claims)))


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "pull_request", "issue_comment"])
async def test_a_run_that_strangers_can_cause_is_not_admitted_although_its_ref_is_main(
    github: IssuerDouble, world: World, event: str
) -> None:
    proven = await world.github(github).verify(_claim(_token(github, event_name=event)))
    with pytest.raises(Unproven, match=event):
        admit(proven, RULES)


async def test_times_count_with_a_minute_of_leeway(github: IssuerDouble, world: World) -> None:
    verifier, now = world.github(github), int(clock.now().timestamp())
    await verifier.verify(_claim(_token(github, exp=now - 30)))
    await verifier.verify(_claim(_token(github, iat=now + 30, nbf=now + 30)))
    with pytest.raises(Unproven, match="is over since"):
        await verifier.verify(_claim(_token(github, exp=now - 61)))
    futures: tuple[dict[str, Any], ...] = ({"iat": now + 120}, {"nbf": now + 120})
    for future in futures:
        with pytest.raises(Unproven, match="begins to count in"):
            await verifier.verify(_claim(_token(github, **future)))


@pytest.mark.parametrize("token", ["ghs_16C7e42F292c6912E7710c838347Ae178B4a", "github_pat_11A", "x", "a.b.c"])
async def test_a_bare_github_token_is_refused_with_the_two_lines_that_are_needed(
    github: IssuerDouble, world: World, token: str
) -> None:
    with pytest.raises(Unproven, match=r"permissions:\n  id-token: write\n") as caught:
        await world.github(github).verify(_claim(token))
    assert token == "x" or token not in str(caught.value)
    assert github.questions == 0


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _forged(token: str, header: Mapping[str, Any], secret: bytes = b"") -> str:
    told = json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))
    signed = f"{_encoded(json.dumps({**told, **header}).encode())}.{token.split('.')[1]}"
    return f"{signed}.{_encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest()) if secret else ''}"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "RS512", "PS256", "ES256", "", None, ["RS256"], "rs256"]
)
async def test_no_other_algorithm_is_taken(github: IssuerDouble, world: World, algorithm: object) -> None:
    with pytest.raises(Unproven, match="only RS256 is taken"):
        await world.github(github).verify(_claim(_forged(_token(github), {"alg": algorithm})))
    assert github.questions == 0


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
async def test_the_public_key_is_no_secret_to_sign_with(github: IssuerDouble, world: World, algorithm: str) -> None:
    token = _token(github)
    public = RSAKey.import_key(github.issuer.jwks()["keys"][0]).as_pem(private=False)
    with pytest.raises(Unproven):
        await world.github(github).verify(_claim(_forged(token, {"alg": algorithm}, public)))


async def test_a_key_that_the_token_brings_along_is_not_looked_at(github: IssuerDouble, world: World) -> None:
    own = RSAKey.generate_key(2048)
    kid = github.issuer.jwks()["keys"][0]["kid"]
    usual = json.loads(base64.urlsafe_b64decode(_token(github).split(".")[1] + "=="))
    async with IssuerDouble() as evil:
        header = {"alg": "RS256", "kid": kid, "jwk": own.as_dict(private=False), "jku": f"{evil.url}/.well-known/jwks"}
        with pytest.raises(Unproven, match="signature does not fit"):
            await world.github(github).verify(_claim(jwt.encode(header, usual, own)))
        assert evil.questions == 0


async def test_a_changed_claim_breaks_the_signature(github: IssuerDouble, world: World) -> None:
    header, payload, signature = _token(github, ref="refs/heads/dev").split(".")
    told = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = _encoded(json.dumps({**told, "ref": "refs/heads/main"}).encode())
    for forged in (f"{header}.{changed}.{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature[:-8]}"):
        with pytest.raises(Unproven, match="signature does not fit"):
            await world.github(github).verify(_claim(forged))


async def test_what_is_no_token_is_unproven(github: IssuerDouble, world: World) -> None:
    header, _, signature = _token(github).split(".")
    deep = _encoded(b"{" + b'"a":' + b"[" * 10_000)
    for odd in (f"{header}.{deep}.{signature}", f"{header}.{_encoded(b'[]')}.{signature}", f"eyJ.eyJ.{signature}"):
        with pytest.raises(Unproven, match="cannot be read"):
            await world.github(github).verify(_claim(odd))
    for odd in (f"{header}.{'a' * 20_000}.x", "", "eyJ..", "\u0435yJ.a.b"):
        with pytest.raises(Unproven):
            await world.github(github).verify(_claim(odd))


async def test_another_issuers_token_of_the_same_shape_proves_nothing(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token") as evil:
        with pytest.raises(Unproven, match="is of the issuer"):
            await world.github(github).verify(_claim(_token(evil)))
        with pytest.raises(Unproven, match="does not publish"):
            await world.github(github).verify(_claim(_token(evil, iss=github.url)))
        assert evil.questions == 0


async def test_keys_are_asked_for_once(github: IssuerDouble, world: World) -> None:
    verifier = world.github(github)
    await asyncio.gather(*(verifier.verify(_claim(_token(github))) for _ in range(20)))
    assert github.questions == 1


async def test_a_rotated_key_is_found_after_a_minute_and_both_keys_count(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, old = world.github(github), _token(github)
    await verifier.verify(_claim(old))
    github.issuer.rotate()
    new = _token(github)
    with pytest.raises(Unavailable, match="try again") as caught:
        await verifier.verify(_claim(new))
    assert 1 <= caught.value.retry_after <= 60
    ticks.seconds += 60
    for token in (new, old):
        await verifier.verify(_claim(token))
    assert github.questions == 2


async def test_a_flood_of_unknown_keys_asks_once_a_minute(github: IssuerDouble, world: World, ticks: Clock) -> None:
    verifier, good = world.github(github), _token(github)
    await verifier.verify(_claim(good))
    ticks.seconds += 60
    flood = (_claim(_forged(good, {"kid": f"made-up-{number}"})) for number in range(50))
    outcomes = await asyncio.gather(*(verifier.verify(claim) for claim in flood), return_exceptions=True)
    assert [type(each) for each in outcomes].count(Unproven) == 1
    assert [type(each) for each in outcomes].count(Unavailable) == 49
    await verifier.verify(_claim(good))
    assert github.questions == 2


async def test_a_key_the_issuer_took_back_counts_no_more_after_an_hour(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, token = world.github(github), _token(github)
    await verifier.verify(_claim(token))
    github.issuer.rotate()
    github.issuer.rotate()
    ticks.seconds += 3600
    with pytest.raises(Unproven, match="does not publish"):
        await verifier.verify(_claim(token))


async def test_an_issuer_that_is_down_does_not_stop_who_has_a_known_key(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, token = world.github(github), _token(github)
    await verifier.verify(_claim(token))
    github.faults.down()
    for _ in range(3):
        ticks.seconds += 4000
        await verifier.verify(_claim(token))
    with pytest.raises(Unavailable):
        await verifier.verify(_claim(_forged(token, {"kid": "other"})))
    ticks.seconds += 86400
    with pytest.raises(Unavailable, match="status 502"):
        await verifier.verify(_claim(token))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502, body="<h1>no</h1>"),
        Fault(status=401),
        Fault(status=404, body="{}"),
        Fault(status=302, headers={"location": "http://127.0.0.1:1/"}),
        Fault(status=200, body="{"),
        Fault(status=200, body="[]"),
        Fault(status=200, body='{"keys": 1}'),
        Fault(status=200, body='{"keys": []}'),
        Fault(status=200, body='{"keys": [1, {"kid": "x"}, {"kid": "y", "kty": "RSA", "n": "!", "e": 1}]}'),
        Fault(status=200, body='{"a":' + "[" * 100_000),
    ],
    ids=lambda fault: f"{fault.status}-{fault.body[:20]}",
)
async def test_an_issuer_that_is_down_at_first_makes_nobody_unproven(
    github: IssuerDouble, world: World, ticks: Clock, fault: Fault
) -> None:
    verifier, claim = world.github(github), _claim(_token(github))
    github.faults.set(fault)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await verifier.verify(claim)
    assert github.questions == 1
    github.faults.clear()
    ticks.seconds += 5
    await verifier.verify(claim)


async def test_weak_and_symmetric_keys_are_not_used(github: IssuerDouble, world: World) -> None:
    with pytest.warns(UserWarning, match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    secret = {"kty": "oct", "kid": "secret", "k": _encoded(b"s" * 32)}
    encrypting = {**github.issuer.jwks()["keys"][0], "use": "enc", "kid": "enc"}
    github.jwks = {"keys": [weak.as_dict(private=False), secret, encrypting]}
    with pytest.raises(Unavailable, match="holds no key for RS256"):
        await world.github(github).verify(_claim(_token(github)))


async def test_no_error_repeats_the_token(github: IssuerDouble, world: World) -> None:
    token = _token(github, run_id="1")
    for claim in (_claim(token), _claim(token[:-8]), _claim(f"{token}.x")):
        with pytest.raises(Unproven) as caught:
            await world.github(github).verify(claim)
        told = "".join(traceback.format_exception(caught.value)) + repr(claim)
        assert not any(part in told for part in token.split(".")[1:])


@pytest.fixture
async def gitlab() -> AsyncIterator[GitLabDouble]:
    async with GitLabDouble(path="/gitlab") as double:
        double.issuer._keys = [_KEY]
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
    return _claim(token, repo_url=url, job_id=claims.get("sent", str(job.id)), project_id=claims.get("pin"))


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
                _claim(token, repo_url=gitlab.project_url("acme/shop"), job_id=str(job.id))
            )


async def test_a_gitlab_that_takes_id_tokens_takes_job_tokens_too(gitlab: GitLabDouble, world: World) -> None:
    job = gitlab.create_job()
    claim = _claim(job.token, repo_url=gitlab.project_url(), job_id=str(job.id))
    assert (await _gitlab(world, gitlab).verify(claim)).protected is None
    assert gitlab.questions == 1


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
    return (await world.verifier(provider).verify(_claim(token, **changes))).ref


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
        double.issuer._keys = [_KEY]
        with pytest.raises(Unproven, match=words):
            await _generic(world, double, shape, **claims)


async def test_es256_is_taken_where_it_is_configured(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token", algorithm="ES256") as double:
        assert (await world.github(double, algorithm="ES256").verify(_claim(_token(double)))).ref == "main"
        with pytest.raises(Unproven, match="only RS256"):
            await world.github(double).verify(_claim(_token(double)))
    with pytest.raises(Unproven, match="only ES256"):
        await world.github(github, algorithm="ES256").verify(_claim(_token(github)))


@pytest.mark.parametrize(
    "discovered",
    [{"issuer": "https://evil.example.com"}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": 7}],
    ids=str,
)
async def test_a_discovery_document_that_is_not_the_issuers_own_leads_nowhere(
    world: World, discovered: dict[str, Any]
) -> None:
    async with IssuerDouble() as double:
        double.issuer._keys, double.discovered = [_KEY], discovered
        with pytest.raises(Unavailable, match="check its issuer and jwksUrl"):
            await _generic(world, double, "forgejo")
        assert double.questions == 0
