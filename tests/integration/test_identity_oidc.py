from __future__ import annotations

import asyncio
import base64
import json
import math
import traceback
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import structlog
from joserfc import jwt
from joserfc.jwk import RSAKey
from oidc_world import KEY, OURS, RULES, Clock, World, claim_of, encoded, forged
from prometheus_client import REGISTRY

from dag_common.errors import Unavailable, Unproven
from dag_common.runtime import clock
from dag_gateway.domain.jobs import RefType
from dag_gateway.domain.policies import admit
from dag_sandbox.gitlab_faults import Fault
from dag_sandbox.oidc_issuer import IssuerDouble, github_claims


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticks = Clock()
    monkeypatch.setattr(clock, "monotonic", ticks)
    return ticks


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


def _token(double: IssuerDouble, *, lifetime: timedelta = timedelta(minutes=5), **claims: Any) -> str:
    return double.issuer.mint({**github_claims(), "aud": OURS, **claims}, lifetime=lifetime)


async def test_a_github_run_is_proven_with_all_its_facts(github: IssuerDouble, world: World) -> None:
    proven = await world.github(github).verify(claim_of(_token(github)))
    assert (proven.provider, proven.kind, proven.source) == ("ci", "github", "push")
    assert (proven.project_id, proven.project_path) == ("74", "acme/shop")
    assert (proven.ref, proven.ref_type, proven.commit) == ("main", RefType.BRANCH, "0" * 40)
    assert (proven.actor, proven.protected, proven.job_id) == ("octocat", True, "4711")
    assert proven.job_url == f"{github.url.removesuffix('/_services/token')}/acme/shop/actions/runs/4711"
    admit(proven, RULES)


async def test_a_repository_pinned_by_its_id_is_known_through_a_rename(github: IssuerDouble, world: World) -> None:
    verifier = world.github(github)
    moved = _token(github, repository="acme/store")
    assert (await verifier.verify(claim_of(moved, project_id="74"))).project_path == "acme/store"
    with pytest.raises(Unproven, match="is configured as project 74"):
        await verifier.verify(claim_of(_token(github, repository_id="75"), project_id="74"))


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
        await world.github(github).verify(claim_of(_token(github, **claims)))


@pytest.mark.parametrize(
    "sent", ["4711-2", "4712", "0184990a-477b-4fa8-9968-496074483c01", "{0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f}"]
)
async def test_a_wrong_job_id_is_quoted(github: IssuerDouble, world: World, sent: str) -> None:
    with pytest.raises(Unproven) as caught:
        await world.github(github).verify(claim_of(_token(github), job_id=sent))
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
        await world.github(github).verify(claim_of(_token(github), job_id=sent))
    assert "belongs to GITHUB_RUN_ID '4711', and something else was sent as jobId" in str(caught.value)
    assert sent not in str(caught.value)


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "pull_request", "issue_comment"])
async def test_a_run_that_strangers_can_cause_is_not_admitted_although_its_ref_is_main(
    github: IssuerDouble, world: World, event: str
) -> None:
    proven = await world.github(github).verify(claim_of(_token(github, event_name=event)))
    with pytest.raises(Unproven, match=event):
        admit(proven, RULES)


async def test_times_count_with_a_minute_of_leeway(github: IssuerDouble, world: World) -> None:
    verifier, now = world.github(github), int(clock.now().timestamp())
    await verifier.verify(claim_of(_token(github, exp=now - 30)))
    await verifier.verify(claim_of(_token(github, iat=now + 30, nbf=now + 30)))
    with pytest.raises(Unproven, match="is over since"):
        await verifier.verify(claim_of(_token(github, exp=now - 61)))
    futures: tuple[dict[str, Any], ...] = ({"iat": now + 120}, {"nbf": now + 120})
    for future in futures:
        with pytest.raises(Unproven, match="begins to count in"):
            await verifier.verify(claim_of(_token(github, **future)))


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
        await world.github(github).verify(claim_of(forged(_token(github), {"alg": algorithm})))
    assert github.questions == 0


@pytest.mark.parametrize(
    ("algorithm", "words"), [("HS256", "only RS256 is taken"), ("RS256", "signature does not fit")]
)
async def test_the_public_key_is_no_secret_to_sign_with(
    github: IssuerDouble, world: World, algorithm: str, words: str
) -> None:
    token = _token(github)
    public = RSAKey.import_key(github.issuer.jwks()["keys"][0]).as_pem(private=False)
    with pytest.raises(Unproven, match=words):
        await world.github(github).verify(claim_of(forged(token, {"alg": algorithm}, public)))


async def test_a_key_that_the_token_brings_along_is_not_looked_at(github: IssuerDouble, world: World) -> None:
    own = RSAKey.generate_key(2048)
    kid = github.issuer.jwks()["keys"][0]["kid"]
    usual = json.loads(base64.urlsafe_b64decode(_token(github).split(".")[1] + "=="))
    async with IssuerDouble() as evil:
        header = {"alg": "RS256", "kid": kid, "jwk": own.as_dict(private=False), "jku": f"{evil.url}/.well-known/jwks"}
        with pytest.raises(Unproven, match="signature does not fit"):
            await world.github(github).verify(claim_of(jwt.encode(header, usual, own)))
        assert evil.questions == 0


async def test_a_changed_claim_breaks_the_signature(github: IssuerDouble, world: World) -> None:
    header, payload, signature = _token(github, ref="refs/heads/dev").split(".")
    told = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = encoded(json.dumps({**told, "ref": "refs/heads/main"}).encode())
    for odd in (f"{header}.{changed}.{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature[:-8]}"):
        with pytest.raises(Unproven, match="signature does not fit"):
            await world.github(github).verify(claim_of(odd))


async def test_what_is_no_token_is_unproven(github: IssuerDouble, world: World) -> None:
    header, _, signature = _token(github).split(".")
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
            await world.github(github).verify(claim_of(_token(evil)))
        with pytest.raises(Unproven, match="does not publish"):
            await world.github(github).verify(claim_of(_token(evil, iss=github.url)))
        assert evil.questions == 0


async def test_keys_are_asked_for_once(github: IssuerDouble, world: World) -> None:
    verifier = world.github(github)
    await asyncio.gather(*(verifier.verify(claim_of(_token(github))) for _ in range(20)))
    assert github.questions == 1


async def test_a_rotated_key_is_found_after_a_minute_and_both_keys_count(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, old = world.github(github), _token(github)
    await verifier.verify(claim_of(old))
    github.issuer.rotate()
    new = _token(github)
    with pytest.raises(
        Unavailable, match="a moment ago, without this token's; they are asked for again in 60 s"
    ) as caught:
        await verifier.verify(claim_of(new))
    assert 1 <= caught.value.retry_after <= 60
    ticks.seconds += 60
    for token in (new, old):
        await verifier.verify(claim_of(token))
    assert github.questions == 2


async def test_a_flood_of_unknown_keys_asks_once_a_minute(github: IssuerDouble, world: World, ticks: Clock) -> None:
    verifier, good = world.github(github), _token(github)
    await verifier.verify(claim_of(good))
    ticks.seconds += 60
    flood = (claim_of(forged(good, {"kid": f"made-up-{number}"})) for number in range(50))
    outcomes = await asyncio.gather(*(verifier.verify(claim) for claim in flood), return_exceptions=True)
    assert [type(each) for each in outcomes].count(Unproven) == 1
    assert [type(each) for each in outcomes].count(Unavailable) == 49
    await verifier.verify(claim_of(good))
    assert github.questions == 2


async def test_a_key_the_issuer_took_back_counts_no_more_after_an_hour(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, token = world.github(github), _token(github)
    await verifier.verify(claim_of(token))
    github.issuer.rotate()
    github.issuer.rotate()
    ticks.seconds += 3600
    with pytest.raises(Unproven, match="does not publish"):
        await verifier.verify(claim_of(token))


async def test_an_issuer_that_is_down_does_not_stop_who_has_a_known_key(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, token = world.github(github), _token(github)
    await verifier.verify(claim_of(token))
    github.faults.down()
    for _ in range(3):
        ticks.seconds += 4000
        await verifier.verify(claim_of(token))
    with pytest.raises(Unavailable):
        await verifier.verify(claim_of(forged(token, {"kid": "other"})))
    ticks.seconds += 86400
    with pytest.raises(Unavailable, match="status 502"):
        await verifier.verify(claim_of(token))


async def test_keys_that_could_not_be_renewed_are_told_in_log_metrics_and_to_who_needs_others(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, token, told = world.github(github), _token(github), {"issuer": github.url}
    other = claim_of(forged(token, {"kid": "other"}))
    assert math.isnan(_sample("dag_signing_keys_age_seconds", told))
    await verifier.verify(claim_of(token))
    github.faults.down()
    ticks.seconds += 4000
    with structlog.testing.capture_logs() as logs:
        await verifier.verify(claim_of(token))
        await verifier.verify(claim_of(token))
    reason = "CI provider ci answered with status 502 when asked for its keys"
    missed = {"event": "signing_keys_missed", "issuer": github.url, "reason": reason, "keys_age_seconds": 4000}
    assert logs == [{**missed, "log_level": "warning"}]
    assert _sample("dag_signing_keys_age_seconds", told) == 4000
    assert _sample("dag_signing_keys_missed_total", told) == 1
    with pytest.raises(Unavailable, match=f"{reason}; they are asked for again in 60 s"):
        await verifier.verify(other)
    github.faults.clear()
    ticks.seconds += 60
    await verifier.verify(claim_of(token))
    assert _sample("dag_signing_keys_age_seconds", told) == 0
    with pytest.raises(Unavailable, match="without this token's"):
        await verifier.verify(other)


def _sample(name: str, labels: Mapping[str, str]) -> float:
    value = REGISTRY.get_sample_value(name, dict(labels))
    assert value is not None
    return value


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502, body="<h1>no</h1>"),
        Fault(status=401),
        Fault(status=404, body="{}"),
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
    verifier, claim = world.github(github), claim_of(_token(github))
    github.faults.set(fault)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await verifier.verify(claim)
    assert github.questions == 1
    github.faults.clear()
    ticks.seconds += 5
    await verifier.verify(claim)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_keys_are_not_fetched_from_where_an_issuer_redirects_to(
    github: IssuerDouble, world: World, status: int
) -> None:
    async with IssuerDouble() as elsewhere:
        elsewhere.jwks = github.issuer.jwks()
        github.faults.set(Fault(status=status, headers={"location": f"{elsewhere.url}/.well-known/jwks"}))
        with pytest.raises(Unavailable, match=f"answered with status {status}"):
            await world.github(github).verify(claim_of(_token(github)))
        assert (github.questions, elsewhere.questions) == (1, 0)


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
    assert (await world.github(github).verify(claim_of(_token(github, ref_protected=told)))).protected is protected


async def test_a_one_time_token_is_known_by_its_issuer_and_its_jti(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token") as other:
        names = [
            (await world.github(double, one_time=True).verify(claim_of(_token(double, jti=jti)))).one_time
            for double in (github, other)
            for jti in ("7", "7", "8")
        ]
    assert [names.index(name) for name in names] == [0, 0, 2, 3, 3, 5]


async def test_weak_and_symmetric_keys_are_not_used(github: IssuerDouble, world: World) -> None:
    with pytest.warns(UserWarning, match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    secret = {"kty": "oct", "kid": "secret", "k": encoded(b"s" * 32)}
    encrypting = {**github.issuer.jwks()["keys"][0], "use": "enc", "kid": "enc"}
    github.jwks = {"keys": [weak.as_dict(private=False), secret, encrypting]}
    with pytest.raises(Unavailable, match="holds no key for RS256"):
        await world.github(github).verify(claim_of(_token(github)))


async def test_no_error_repeats_the_token(github: IssuerDouble, world: World) -> None:
    token = _token(github, run_id="1")
    for claim in (claim_of(token), claim_of(token[:-8]), claim_of(f"{token}.x")):
        with pytest.raises(Unproven) as caught:
            await world.github(github).verify(claim)
        told = "".join(traceback.format_exception(caught.value)) + repr(claim)
        assert not any(part in told for part in token.split(".")[1:])


async def test_es256_is_taken_where_it_is_configured(github: IssuerDouble, world: World) -> None:
    async with IssuerDouble(path="/_services/token", algorithm="ES256") as double:
        assert (await world.github(double, algorithm="ES256").verify(claim_of(_token(double)))).ref == "main"
        with pytest.raises(Unproven, match="only RS256"):
            await world.github(double).verify(claim_of(_token(double)))
    with pytest.raises(Unproven, match="only ES256"):
        await world.github(github, algorithm="ES256").verify(claim_of(_token(github)))
