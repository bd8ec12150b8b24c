"""Verifiers of ID tokens over issuers on loopback, and what the tests of them share."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from joserfc.jwk import RSAKey

from dag_common.registry.apps import Environment, IacPlace, Target
from dag_common.registry.providers import Provider
from dag_common.runtime import clock
from dag_gateway.domain.jobs import JobClaim
from dag_gateway.identity.oidc import OidcVerifier
from dag_gateway.identity.provider_client import ProviderClient
from dag_sandbox.oidc_issuer import IssuerDouble, github_claims

OURS = "https://dag.example.com"
RULES = Environment(
    name="production", branch="main", iac=IacPlace(repository="infra", path="shop"), targets=(Target(kind="none"),)
)

KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
"""Shared, for making one costs more than all else here; tests that rotate keys make their own."""


class Clock:
    """A monotonic clock that only a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class World:
    """Verifiers over one issuer, closed with the test."""

    def __init__(self) -> None:
        self.clients: list[ProviderClient] = []

    def verifier(self, provider: Provider) -> OidcVerifier:
        self.clients.append(ProviderClient("ci", provider))
        return OidcVerifier(self.clients[-1], provider, clock.now)

    def github(self, double: IssuerDouble, **more: Any) -> OidcVerifier:
        base = double.url.removesuffix("/_services/token")
        return self.verifier(Provider(kind="github", url=base, audience=OURS, **more))


def github_token(double: IssuerDouble, *, lifetime: timedelta = timedelta(minutes=5), **claims: Any) -> str:
    """What GitHub gives to the run 4711; `claims` replaces what it would say."""
    return double.issuer.mint({**github_claims(), "aud": OURS, **claims}, lifetime=lifetime)


def claim_of(token: str, **changes: Any) -> JobClaim:
    claim = JobClaim(
        provider="ci", repo_url="https://github.com/acme/shop", project_id=None, job_id="4711", token=token
    )
    return replace(claim, **changes)


def encoded(part: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forged(token: str, header: Mapping[str, Any], secret: bytes = b"") -> str:
    """The token with its header changed, signed with a secret or not at all."""
    told = json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))
    signed = f"{encoded(json.dumps({**told, **header}).encode())}.{token.split('.')[1]}"
    return f"{signed}.{encoded(hmac.new(secret, signed.encode(), hashlib.sha256).digest()) if secret else ''}"
