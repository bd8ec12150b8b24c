from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping

import pytest
import structlog
from joserfc.jwk import RSAKey
from oidc_world import KEY, Clock, World, claim_of, encoded, forged, github_token
from prometheus_client import REGISTRY

from dag_common.errors import Unavailable, Unproven
from dag_common.runtime import clock
from dag_sandbox.gitlab_faults import Fault
from dag_sandbox.oidc_issuer import IssuerDouble


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


async def test_keys_are_asked_for_once(github: IssuerDouble, world: World) -> None:
    verifier = world.github(github)
    await asyncio.gather(*(verifier.verify(claim_of(github_token(github))) for _ in range(20)))
    assert github.questions == 1


async def test_a_rotated_key_is_found_after_a_minute_and_both_keys_count(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, old = world.github(github), github_token(github)
    await verifier.verify(claim_of(old))
    github.issuer.rotate()
    new = github_token(github)
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
    verifier, good = world.github(github), github_token(github)
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
    verifier, token = world.github(github), github_token(github)
    await verifier.verify(claim_of(token))
    github.issuer.rotate()
    github.issuer.rotate()
    ticks.seconds += 3600
    with pytest.raises(Unproven, match="does not publish"):
        await verifier.verify(claim_of(token))


async def test_an_issuer_that_is_down_does_not_stop_who_has_a_known_key(
    github: IssuerDouble, world: World, ticks: Clock
) -> None:
    verifier, token = world.github(github), github_token(github)
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
    verifier, token, told = world.github(github), github_token(github), {"issuer": github.url}
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
    verifier, claim = world.github(github), claim_of(github_token(github))
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
            await world.github(github).verify(claim_of(github_token(github)))
        assert (github.questions, elsewhere.questions) == (1, 0)


async def test_weak_and_symmetric_keys_are_not_used(github: IssuerDouble, world: World) -> None:
    with pytest.warns(UserWarning, match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    secret = {"kty": "oct", "kid": "secret", "k": encoded(b"s" * 32)}
    encrypting = {**github.issuer.jwks()["keys"][0], "use": "enc", "kid": "enc"}
    github.jwks = {"keys": [weak.as_dict(private=False), secret, encrypting]}
    with pytest.raises(Unavailable, match="holds no key for RS256"):
        await world.github(github).verify(claim_of(github_token(github)))
