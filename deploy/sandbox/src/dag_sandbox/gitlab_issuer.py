"""An OIDC issuer with keys that rotate: mints the ID tokens a CI provider gives to its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from dag_common.runtime import clock, ids

_PUBLISHED_KEYS = 2
"""GitLab publishes its current key and the one before (GitLab, `app/controllers/jwks_controller.rb`)."""


class Issuer:
    """Signs with its newest key and publishes the last two. `url` is the `iss` of its tokens."""

    def __init__(self, algorithm: Literal["RS256", "ES256"] = "RS256") -> None:
        self.url = ""
        self._algorithm = algorithm
        self._keys: list[RSAKey | ECKey] = []

    def rotate(self) -> str:
        """Sign with a new key from now on; returns its `kid`."""
        kid = ids.new_event_id()
        known: KeyParameters = {"kid": kid, "use": "sig", "alg": self._algorithm}
        rsa = self._algorithm == "RS256"
        key: RSAKey | ECKey = RSAKey.generate_key(2048, known) if rsa else ECKey.generate_key("P-256", known)
        self._keys = [key, *self._keys][:_PUBLISHED_KEYS]
        return kid

    def jwks(self) -> dict[str, Any]:
        """The published keys, public parts only."""
        self._newest()
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def discovery(self, jwks_url: str) -> dict[str, Any]:
        """The OpenID Connect discovery document."""
        return {
            "issuer": self.url,
            "jwks_uri": jwks_url,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._algorithm],
        }

    def mint(self, claims: Mapping[str, Any], *, lifetime: timedelta = timedelta(minutes=5)) -> str:
        """A signed token; `claims` wins over what every token holds (iss, iat, nbf, exp, jti)."""
        now = int(clock.now().timestamp())
        usual = {
            "iss": self.url,
            "iat": now,
            "nbf": now - 5,
            "exp": now + int(lifetime.total_seconds()),
            "jti": ids.new_event_id(),
        }
        key = self._newest()
        header = {"alg": self._algorithm, "typ": "JWT", "kid": key.kid}
        return jwt.encode(header, {**usual, **claims}, key, algorithms=[self._algorithm])

    def _newest(self) -> RSAKey | ECKey:
        if not self._keys:
            self.rotate()
        return self._keys[0]
