"""Reads ID tokens (RFC 7519): what a token says counts only after its signature, issuer, audience and times fit."""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from dag_common.errors import Unproven
from dag_gateway.identity.signing_keys import Algorithm, SigningKeys

LEEWAY_SECONDS: Final = 60
"""How far the issuer's clock may be from ours."""

_SHAPE = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_LONGEST = 16 * 1024
_LONGEST_SHOWN = 200

Claims = Mapping[str, Any]
Now = Callable[[], datetime]
"""Tells the time that tokens are judged by: one clock for all gateways, whatever their hosts' clocks say."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What every token must be: of this issuer, exactly, for this audience, signed this way."""

    issuer: str
    audience: str
    algorithm: Algorithm = "RS256"


class IdTokens:
    """Reads the tokens of one issuer."""

    def __init__(self, expected: Expected, keys: SigningKeys, now: Now) -> None:
        self._expected = expected
        self._keys = keys
        self._now = now
        self._registry = jws.JWSRegistry(algorithms=[expected.algorithm], strict_check_header=False)

    async def read(self, token: str) -> Claims:
        """The claims of a token that is what it should be.

        Raises `Unproven` naming what does not fit, and `Unavailable` if the issuer's keys cannot be had now. The
        token's own `jku`, `jwk` and `x5u` are never looked at.
        """
        kid = self._check_unverified(token)
        key = await self._keys.key(kid)
        try:
            claims = jwt.decode(token, key, registry=self._registry).claims
        except (JoseError, ValueError, RecursionError) as exc:
            raise Unproven("The token's signature does not fit: send it as the CI provider gave it to the job") from exc
        self._check_issuer(claims)
        self._check_audience(claims)
        check_times(claims, self._now())
        return claims

    def _check_unverified(self, token: str) -> str:
        """The token's `kid`. Refuses early what can never fit, so that it costs no question for keys."""
        if not is_jwt(token):
            raise Unproven("The jobToken is not an ID token (a JWT): send the one the CI provider gave to the job")
        header, claims = (_decoded(part) for part in token.split(".")[:2])
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm != self._expected.algorithm:
            raise Unproven(f"The token's algorithm is {shown(algorithm)}; only {self._expected.algorithm} is taken")
        if not isinstance(kid, str) or not kid:
            raise Unproven("The token does not say which key it is signed with (kid)")
        self._check_issuer(claims)
        return kid

    def _check_issuer(self, claims: Claims) -> None:
        if claims.get("iss") != self._expected.issuer:
            raise Unproven(
                f"The token is of the issuer {shown(claims.get('iss'))}, and {self._expected.issuer} is configured"
            )

    def _check_audience(self, claims: Claims) -> None:
        told = claims.get("aud")
        if self._expected.audience not in (told if isinstance(told, list) else [told]):
            whom = "nobody" if told is None else shown(told)
            raise Unproven(
                f"The token is meant for {whom}: ask the CI provider for one with the audience "
                f"{self._expected.audience}"
            )


def is_jwt(token: str) -> bool:
    """Whether the text has the shape of a signed token, of a length that is looked at (16 KiB)."""
    return len(token) <= _LONGEST and _SHAPE.fullmatch(token) is not None


def unverified(token: str) -> Claims:
    """What a token says of itself, proven by nothing: good for choosing whom to ask. Empty if it is no JWT."""
    try:
        return _decoded(token.split(".")[1]) if is_jwt(token) else {}
    except Unproven:
        return {}


def check_times(claims: Claims, moment: datetime) -> None:
    """Raises `Unproven` if the token is over, not yet begun, or issued in the future, give or take 60 s."""
    now = moment.timestamp()
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires is None or issued is None:
        raise Unproven("The token does not say when it was issued and until when it counts (iat, exp)")
    if now >= expires + LEEWAY_SECONDS:
        raise Unproven(f"The token is over since {now - expires:.0f} s: ask for one right before it is sent")
    begins = max(issued, _instant(claims, "nbf") or issued)
    if now < begins - LEEWAY_SECONDS:
        raise Unproven(f"The token begins to count in {begins - now:.0f} s: are the clocks of DAG and CI right?")


def text(claims: Claims, name: str) -> str:
    """A claim as text, empty if the token has none. Ids and booleans come as texts or as themselves."""
    value = claims.get(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


def shown(value: object) -> str:
    """A claim as it may stand in an error: bounded, on one line."""
    return ascii(value)[:_LONGEST_SHOWN] if value is not None else "nothing"


def _instant(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    try:
        instant = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        instant = math.inf
    if not math.isfinite(instant):
        raise Unproven(f"The token's {name} is no instant")
    return instant


def _decoded(part: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(urlsafe_b64decode(part.encode()), type=dict[str, Any])
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError, RecursionError) as exc:
        raise Unproven("The token cannot be read: send it as the CI provider gave it to the job") from exc
