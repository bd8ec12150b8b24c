"""The public keys an issuer signs with, fetched from where the configuration says and kept for a while."""

from __future__ import annotations

import asyncio
import math
import warnings
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import structlog
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey
from prometheus_client import Counter, Gauge

from dag_common.errors import Unavailable, Unproven
from dag_common.runtime import clock
from dag_gateway.identity.provider_client import ProviderClient, retry_after

log = structlog.get_logger()

KEYS_AGE: Final = Gauge(
    "dag_signing_keys_age_seconds",
    "Seconds since an issuer last told its keys, which is when they were last needed and an hour old; NaN: never.",
    ["issuer"],
)
KEYS_MISSED: Final = Counter("dag_signing_keys_missed", "Times an issuer was asked for its keys in vain.", ["issuer"])

Algorithm = Literal["RS256", "ES256"]
Key = RSAKey | ECKey

FRESH_SECONDS: Final = 3600.0
"""How long keys are used without asking whether they are still the issuer's."""

USABLE_SECONDS: Final = 86400.0
"""How long the last keys seen are used while the issuer does not answer."""

REFETCH_SECONDS: Final = 60.0
"""The shortest time between two questions for keys, once some were seen: nobody's made-up `kid` becomes a flood."""

COLD_SECONDS: Final = 5.0
"""The shortest time between two questions while none were seen yet: a crowd does not queue before a dead issuer."""

_OK: Final = 200
_MOST_KEYS: Final = 100
_SMALLEST_RSA: Final = 2048


class SigningKeys:
    """One issuer's keys for one algorithm. `jwks_url` empty: the issuer's discovery document tells where they are."""

    def __init__(self, client: ProviderClient, issuer: str, jwks_url: str, algorithm: Algorithm) -> None:
        self._client = client
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._algorithm: Algorithm = algorithm
        self._keys: dict[str, Key] = {}
        self._seen: float | None = None
        self._asked: float | None = None
        self._failure = ""
        self._turn = asyncio.Lock()
        KEYS_AGE.labels(issuer).set_function(self._told_age)
        self._missed = KEYS_MISSED.labels(issuer)

    async def key(self, kid: str) -> Key:
        """The key of this id.

        Raises `Unproven` only if the issuer was just asked and has no such key; where it cannot be asked, or was
        asked less than a minute ago, nothing is known, so that is `Unavailable`.
        """
        if kid in self._keys and self._age(self._seen) < FRESH_SECONDS:
            return self._keys[kid]
        async with self._turn:
            if kid not in self._keys or self._age(self._seen) >= FRESH_SECONDS:
                await self._refetch(kid)
        if kid not in self._keys:
            raise Unproven(
                f"The token is signed with a key that its issuer {self._issuer} does not publish for "
                f"{self._algorithm}: send the token as the CI provider gave it to the job"
            )
        return self._keys[kid]

    async def _refetch(self, kid: str) -> None:
        usable = kid in self._keys and self._age(self._seen) < USABLE_SECONDS
        wait = (COLD_SECONDS if self._seen is None else REFETCH_SECONDS) - self._age(self._asked)
        if wait > 0:
            if usable:
                return
            raise self._just_asked(wait)
        self._asked = clock.monotonic()
        self._failure = f"CI provider {self._client.name} did not answer yet when asked for its keys"
        try:
            self._keys = await self._fetch()
        except Unavailable as exc:
            self._note_missed(exc)
            if not usable:
                raise
            return
        self._seen, self._failure = clock.monotonic(), ""

    def _note_missed(self, exc: Unavailable) -> None:
        """Known keys go on for a day: whoever operates this has to learn of it before they end."""
        self._failure = exc.message
        self._missed.inc()
        age = None if self._seen is None else round(self._age(self._seen))
        log.warning("signing_keys_missed", issuer=self._issuer, reason=exc.message, keys_age_seconds=age)

    def _just_asked(self, wait: float) -> Unavailable:
        why = self._failure or f"The keys of {self._client.name} were asked for a moment ago, without this token's"
        return Unavailable(f"{why}; they are asked for again in {math.ceil(wait)} s", retry_after=max(wait, 1.0))

    def _told_age(self) -> float:
        return math.nan if self._seen is None else self._age(self._seen)

    async def _fetch(self) -> dict[str, Key]:
        url = self._jwks_url or await self._discover()
        published = (await self._document(url)).get("keys")
        if not isinstance(published, list):
            raise self._misconfigured("holds no keys")
        keys = [key for entry in published[:_MOST_KEYS] if (key := read_key(entry, self._algorithm)) is not None]
        if not keys:
            raise self._misconfigured(f"holds no key for {self._algorithm}")
        return {str(key.kid): key for key in reversed(keys)}

    async def _discover(self) -> str:
        """Where the keys are (OpenID Connect Discovery 1.0 §4): only a document of this very issuer counts."""
        told = await self._document(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        url = told.get("jwks_uri")
        if told.get("issuer") != self._issuer:
            raise self._misconfigured(f"is not of the issuer {self._issuer}")
        if not isinstance(url, str) or urlsplit(url).scheme not in {"https", urlsplit(self._issuer).scheme}:
            raise self._misconfigured("names no safe address of its keys")
        return url

    async def _document(self, url: str) -> dict[str, Any]:
        answer = await self._client.get(url, {})
        if answer.status != _OK:
            raise Unavailable(
                f"CI provider {self._client.name} answered with status {answer.status} when asked for its keys",
                retry_after=retry_after(answer),
            )
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise self._misconfigured("cannot be read") from exc

    def _misconfigured(self, what: str) -> Unavailable:
        return Unavailable(
            f"What CI provider {self._client.name} publishes about its keys {what}: check its issuer and jwksUrl",
            retry_after=REFETCH_SECONDS,
        )

    @staticmethod
    def _age(moment: float | None) -> float:
        return float("inf") if moment is None else clock.monotonic() - moment


def read_key(entry: object, algorithm: Algorithm) -> Key | None:
    """A published key (RFC 7517), or None if it is not one that verifies this algorithm, or too weak for it."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    kind: type[RSAKey | ECKey] = RSAKey if algorithm == "RS256" else ECKey
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # a weak key is refused below
            key = kind.import_key(dict(entry))
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if _is_strong(key) else None


def _is_strong(key: Key) -> bool:
    if isinstance(key, RSAKey):
        return key.raw_value.key_size >= _SMALLEST_RSA
    return key.curve_name == "P-256"
