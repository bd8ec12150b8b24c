from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from oidc_world import KEY

from dag_common.errors import Unavailable, Unproven
from dag_gateway.identity.provider_client import Answer, ProviderClient
from dag_gateway.identity.signing_keys import Algorithm, SigningKeys, read_key

ISSUER = "https://ci.example.com"
PUBLISHED: dict[str, Any] = dict(KEY.as_dict(private=False))


class Issuer:
    """Stands where a provider's client stands: answers with JSON by URL."""

    name = "ci"

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    async def get(self, url: str, _headers: Mapping[str, str]) -> Answer:
        if url not in self._answers:
            return Answer(404, httpx.Headers(), b"")
        return Answer(200, httpx.Headers(), json.dumps(self._answers[url]).encode())


def keys_of(answers: Mapping[str, Any], issuer: str = ISSUER, jwks_url: str = "") -> SigningKeys:
    return SigningKeys(cast("ProviderClient", Issuer(answers)), issuer, jwks_url, "RS256")


@pytest.mark.parametrize("said", [{"alg": "RS256"}, {"use": "sig"}, {}], ids=str)
def test_a_key_that_may_verify_the_algorithm_is_read(said: dict[str, str]) -> None:
    bare = {name: value for name, value in PUBLISHED.items() if name not in ("alg", "use")}
    assert isinstance(read_key({**bare, **said}, "RS256"), RSAKey)


@pytest.mark.parametrize(
    "said", [{"alg": "RS512"}, {"alg": "PS256"}, {"alg": "HS256"}, {"alg": None}, {"use": "enc"}, {"kid": 7}], ids=str
)
def test_a_key_that_says_it_is_for_something_else_is_not_read(said: dict[str, Any]) -> None:
    assert read_key({**PUBLISHED, **said}, "RS256") is None


@pytest.mark.parametrize(("curve", "read"), [("P-256", True), ("P-384", False), ("P-521", False), ("secp256k1", False)])
def test_only_the_curve_of_the_algorithm_is_read(curve: str, read: bool) -> None:
    published = ECKey.generate_key(curve, {"kid": "one"}).as_dict(private=False)
    assert (read_key(published, "ES256") is not None) == read


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_key_of_the_other_kind_is_not_read(algorithm: Algorithm) -> None:
    curved = dict(ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=False))
    assert read_key(curved if algorithm == "RS256" else PUBLISHED | {"alg": "ES256"}, algorithm) is None


@pytest.mark.parametrize(
    ("issuer", "keys", "taken"),
    [
        ("https://ci.example.com", "https://keys.example.com/k", True),
        ("https://ci.example.com", "http://keys.example.com/k", False),
        ("https://ci.example.com", "ftp://keys.example.com/k", False),
        ("http://ci.internal", "http://ci.internal/k", True),
    ],
)
async def test_an_https_issuers_keys_are_not_fetched_in_the_clear(issuer: str, keys: str, taken: bool) -> None:
    document = {"issuer": issuer, "jwks_uri": keys}
    ring = keys_of({f"{issuer}/.well-known/openid-configuration": document, keys: {"keys": [PUBLISHED]}}, issuer)
    if taken:
        assert (await ring.key("first")).kid == "first"
        return
    with pytest.raises(Unavailable, match="names no safe address"):
        await ring.key("first")


async def test_no_more_than_a_hundred_published_keys_are_looked_at() -> None:
    url = f"{ISSUER}/k"
    published = [{**PUBLISHED, "kid": f"key-{number}"} for number in range(1, 102)]
    assert (await keys_of({url: {"keys": published}}, jwks_url=url).key("key-100")).kid == "key-100"
    with pytest.raises(Unproven, match="does not publish"):
        await keys_of({url: {"keys": published}}, jwks_url=url).key("key-101")
