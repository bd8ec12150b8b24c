"""An OIDC issuer with keys that rotate: mints the ID tokens a CI provider gives to its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from dag_common.runtime import clock, ids

_PUBLISHED_KEYS = 2
"""GitLab publishes its current key and the one before (GitLab, `app/controllers/jwks_controller.rb`)."""


class Issuer:
    """Signs with its newest key and publishes the last two. `url` is the `iss` of its tokens."""

    def __init__(self) -> None:
        self.url = ""
        self._keys: list[RSAKey] = []

    def rotate(self) -> str:
        """Sign with a new key from now on; returns its `kid`."""
        kid = ids.new_event_id()
        key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, auto_kid=False)
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
            "id_token_signing_alg_values_supported": ["RS256"],
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
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": key.kid}, {**usual, **claims}, key)

    def _newest(self) -> RSAKey:
        if not self._keys:
            self.rotate()
        return self._keys[0]
