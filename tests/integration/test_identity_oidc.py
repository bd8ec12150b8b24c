from __future__ import annotations

import base64
import json
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_world import KEY, OURS, RULES, World, claim_of, encoded, forged, github_token

from dag_common.errors import Unproven
from dag_common.runtime import clock
from dag_gateway.domain.jobs import RefType
from dag_gateway.domain.policies import admit
from dag_sandbox.oidc_issuer import IssuerDouble


@pytest.fixture
async def github() -> AsyncIterator[IssuerDouble]:
    async with IssuerDouble(path="/_services/token") as double:
        double.issuer._keys = [KEY]
        yield double


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for client in world.clients:
        await client.close()


async def test_a_github_run_is_proven_with_all_its_facts(github: IssuerDouble, world: World) -> None:
    proven = await world.github(github).verify(claim_of(github_token(github)))
    assert (proven.provider, proven.kind, proven.source) == ("ci", "github", "push")
    assert (proven.project_id, proven.project_path) == ("74", "acme/shop")
    assert (proven.ref, proven.ref_type, proven.commit) == ("main", RefType.BRANCH, "0" * 40)
    assert (proven.actor, proven.protected, proven.job_id) == ("octocat", True, "4711")
    assert proven.job_url == f"{github.url.removesuffix('/_services/token')}/acme/shop/actions/runs/4711"
    admit(proven, RULES)


async def test_a_repository_pinned_by_its_id_is_known_through_a_rename(github: IssuerDouble, world: World) -> None:
    verifier = world.github(github)
    moved = github_token(github, repository="acme/store")
    assert (await verifier.verify(claim_of(moved, project_id="74"))).project_path == "acme/store"
    with pytest.raises(Unproven, match="is configured as project 74"):
        await verifier.verify(claim_of(github_token(github, repository_id="75"), project_id="74"))


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
        ({"aud": f"{OURS}.evil.com"}, "is meant for"),
        ({"aud": f"https://evil.example.com {OURS}"}, "is meant for"),
        ({"aud": [OURS[:-1], [OURS]]}, "is meant for"),
        ({"aud": {OURS: True}}, "is meant for"),
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
        await world.github(github).verify(claim_of(github_token(github, **claims)))


@pytest.mark.parametrize(
    "sent", ["4711-2", "4712", "0184990a-477b-4fa8-9968-496074483c01", "{0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f}"]
)
async def test_a_wrong_job_id_is_quoted(github: IssuerDouble, world: World, sent: str) -> None:
    with pytest.raises(Unproven) as caught:
        await world.github(github).verify(claim_of(github_token(github), job_id=sent))
    assert f"and {sent!r} was sent as jobId" in str(caught.value)


@pytest.mark.parametrize(
    "sent",
    [
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "ghp_short",
        "glcbt-64_abcdefgh",
        "glpat-short",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
        "0123456789abcdef0123456789abcdef01234567",
        "8GhsPzX4-kz1TqPSsk3R",
        "hunter2 hunter2",
    ],
)
async def test_a_token_sent_as_the_job_id_is_not_repeated(github: IssuerDouble, world: World, sent: str) -> None:
    with pytest.raises(Unproven) as caught:
        await world.github(github).verify(claim_of(github_token(github), job_id=sent))
    assert "belongs to GITHUB_RUN_ID '4711', and something else was sent as jobId" in str(caught.value)
    assert sent not in str(caught.value)


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "pull_request", "issue_comment"])
async def test_a_run_that_strangers_can_cause_is_not_admitted_although_its_ref_is_main(
    github: IssuerDouble, world: World, event: str
) -> None:
    proven = await world.github(github).verify(claim_of(github_token(github, event_name=event)))
    with pytest.raises(Unproven, match=event):
        admit(proven, RULES)


async def test_times_count_with_a_minute_of_leeway(github: IssuerDouble, world: World) -> None:
    verifier, now = world.github(github), int(clock.now().timestamp())
    await verifier.verify(claim_of(github_token(github, exp=now - 30)))
    await verifier.verify(claim_of(github_token(github, iat=now + 30, nbf=now + 30)))
    with pytest.raises(Unproven, match="is over since"):
        await verifier.verify(claim_of(github_token(github, exp=now - 61)))
    futures: tuple[dict[str, Any], ...] = ({"iat": now + 120}, {"nbf": now + 120})
    for future in futures:
        with pytest.raises(Unproven, match="begins to count in"):
            await verifier.verify(claim_of(github_token(github, **future)))


@pytest.mark.parametrize("token", ["ghs_16C7e42F292c6912E7710c838347Ae178B4a", "github_pat_11A", "x", "a.b.c"])
async def test_a_bare_github_token_is_refused_with_the_two_lines_that_are_needed(
    github: IssuerDouble, world: World, token: str
) -> None:
    with pytest.raises(Unproven, match=r"permissions:\n  id-token: write\n") as caught:
        await world.github(github).verify(claim_of(token))
    assert token == "x" or token not in str(caught.value)
    assert github.questions == 0


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "RS512", "PS256", "ES256", "", None, ["RS256"], "rs256"]
)
async def test_no_other_algorithm_is_taken(github: IssuerDouble, world: World, algorithm: object) -> None:
    with pytest.raises(Unproven, match="only RS256 is taken"):
        await world.github(github).verify(claim_of(forged(github_token(github), {"alg": algorithm})))
    assert github.questions == 0


@pytest.mark.parametrize(
    ("algorithm", "words"), [("HS256", "only RS256 is taken"), ("RS256", "signature does not fit")]
)
async def test_the_public_key_is_no_secret_to_sign_with(
    github: IssuerDouble, world: World, algorithm: str, words: str
) -> None:
    token = github_token(github)
    public = RSAKey.import_key(github.issuer.jwks()["keys"][0]).as_pem(private=False)
    with pytest.raises(Unproven, match=words):
        await world.github(github).verify(claim_of(forged(token, {"alg": algorithm}, public)))


async def test_a_key_that_the_token_brings_along_is_not_looked_at(github: IssuerDouble, world: World) -> None:
    own = RSAKey.generate_key(2048)
    kid = github.issuer.jwks()["keys"][0]["kid"]
    usual = json.loads(base64.urlsafe_b64decode(github_token(github).split(".")[1] + "=="))
    async with IssuerDouble() as evil:
        header = {"alg": "RS256", "kid": kid, "jwk": own.as_dict(private=False), "jku": f"{evil.url}/.well-known/jwks"}
        with pytest.raises(Unproven, match="signature does not fit"):
            await world.github(github).verify(claim_of(jwt.encode(header, usual, own)))
        assert evil.questions == 0


async def test_a_changed_claim_breaks_the_signature(github: IssuerDouble, world: World) -> None:
    header, payload, signature = github_token(github, ref="refs/heads/dev").split(".")
    told = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = encoded(json.dumps({**told, "ref": "refs/heads/main"}).encode())
    for odd in (f"{header}.{changed}.{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature[:-8]}"):
        with pytest.raises(Unproven, match="signature does not fit"):
            await world.github(github).verify(claim_of(odd))


async def test_what_is_no_token_is_unproven(github: IssuerDouble, world: World) -> None:
    header, _, signature = github_token(github).split(".")
    deep = encoded(b"{" + b'"a":' + b"[" * 10_000)
    for odd in (f"{header}.{deep}.{signature}", f"{header}.{encoded(b'[]')}.{signature}", f"eyJ.eyJ.{signature}"):
        with pytest.raises(Unproven, match="cannot be read"):
            await world.github(github).verify(claim_of(odd))
    for odd in (f"{header}.{'a' * 20_000}.x", "", "eyJ..", "\u0435yJ.a.b"):
        with pytest.raises(Unproven):
            await world.github(github).verify(claim_of(odd))


async def test_another_issuers_token_of_the_same_shape_proves_nothing(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token") as evil:
        with pytest.raises(Unproven, match="is of the issuer"):
            await world.github(github).verify(claim_of(github_token(evil)))
        with pytest.raises(Unproven, match="does not publish"):
            await world.github(github).verify(claim_of(github_token(evil, iss=github.url)))
        assert evil.questions == 0


@pytest.mark.parametrize(
    ("told", "protected"),
    [
        ("true", True),
        (True, True),
        ("false", False),
        (False, False),
        ("True", None),
        ("1", None),
        (1, None),
        ("", None),
    ],
)
async def test_a_branch_is_protected_only_by_the_issuers_own_words(
    github: IssuerDouble, world: World, told: object, protected: bool | None
) -> None:
    assert (
        await world.github(github).verify(claim_of(github_token(github, ref_protected=told)))
    ).protected is protected


async def test_a_one_time_token_is_known_by_its_issuer_and_its_jti(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token") as other:
        names = [
            (await world.github(double, one_time=True).verify(claim_of(github_token(double, jti=jti)))).one_time
            for double in (github, other)
            for jti in ("7", "7", "8")
        ]
    assert [names.index(name) for name in names] == [0, 0, 2, 3, 3, 5]


async def test_no_error_repeats_thegithub_token(github: IssuerDouble, world: World) -> None:
    token = github_token(github, run_id="1")
    for claim in (claim_of(token), claim_of(token[:-8]), claim_of(f"{token}.x")):
        with pytest.raises(Unproven) as caught:
            await world.github(github).verify(claim)
        told = "".join(traceback.format_exception(caught.value)) + repr(claim)
        assert not any(part in told for part in token.split(".")[1:])


async def test_es256_is_taken_where_it_is_configured(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token", algorithm="ES256") as double:
        assert (await world.github(double, algorithm="ES256").verify(claim_of(github_token(double)))).ref == "main"
        with pytest.raises(Unproven, match="only RS256"):
            await world.github(double).verify(claim_of(github_token(double)))
    with pytest.raises(Unproven, match="only ES256"):
        await world.github(github, algorithm="ES256").verify(claim_of(github_token(github)))
