"""What can go wrong between us and an API server, in the words of an operator, mapped in one place."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgspec

from dag_common.errors import Conflict, DagError, Invalid, NotFound, Refused, Unavailable

FORBIDDEN: Final = "Forbidden"
UNAUTHORIZED: Final = "Unauthorized"
_EXPIRED: Final = {"Expired", "Gone"}
_TOO_LARGE: Final = "Too large resource version"


class Expired(Unavailable):
    """The resource version or page is not served any more, or not yet: list again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried: the verb access rules speak of, and on what."""

    cluster: str
    verb: str
    what: str

    def __str__(self) -> str:
        return f"cannot {self.verb} {self.what} of cluster {self.cluster!r}"


@contextlib.contextmanager
def mapped(attempt: Attempt) -> Iterator[None]:
    """Turn httpx's errors into `Unavailable`, and a URL that is none into `Invalid`."""
    try:
        yield
    except httpx.ConnectError as exc:
        raise Unavailable(f"{attempt}: no connection: {_connect_words(exc)}", retry_after=0) from exc
    except httpx.TimeoutException as exc:
        raise Unavailable(f"{attempt}: no answer in time ({type(exc).__name__})", retry_after=0) from exc
    except httpx.TransportError as exc:
        raise Unavailable(f"{attempt}: the connection broke: {str(exc) or type(exc).__name__}", retry_after=0) from exc
    except httpx.InvalidURL as exc:
        raise Invalid(f"{attempt}: the server's URL is wrong: {exc}") from exc


def from_response(attempt: Attempt, response: httpx.Response) -> DagError:
    """The error for an answer that is not 2xx; the body has been read."""
    status = _status(response.content)
    return classified(attempt, response.status_code, status, _seconds(response.headers.get("retry-after", "")))


def classified(attempt: Attempt, code: int, status: dict[str, Any], retry_after: float = 0) -> DagError:
    """The error for a `Status`, whether it came as an answer or as an ERROR event of a watch."""
    said = str(status.get("message") or f"HTTP {code}")
    words = f"{attempt}: {said}"
    details = status.get("details")
    if not retry_after and isinstance(details, dict):
        retry_after = _seconds(str(details.get("retryAfterSeconds", "")))
    if code == httpx.codes.GONE or status.get("reason") in _EXPIRED or _TOO_LARGE in said:
        return Expired(words, retry_after=retry_after)
    if code == httpx.codes.UNAUTHORIZED:
        return Refused(UNAUTHORIZED, f"{attempt}: the API server does not accept our credentials; renew the token")
    if code == httpx.codes.FORBIDDEN:
        return Refused(FORBIDDEN, f"{words}; grant the verb {attempt.verb!r} there")
    if code == httpx.codes.NOT_FOUND:
        return NotFound(words)
    if code == httpx.codes.CONFLICT:
        return Conflict(words)
    if code in {httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY}:
        return Invalid(words)
    return Unavailable(words, retry_after=retry_after)


def _status(content: bytes) -> dict[str, Any]:
    """The `Status` in a body; empty for what proxies and load balancers write instead."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}


def _seconds(text: str) -> float:
    """Seconds of a Retry-After; a date or nonsense counts as none, at most an hour is believed."""
    return min(float(text), 3600.0) if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text) else 0.0


def _connect_words(exc: httpx.ConnectError) -> str:
    said = str(exc)
    if "Missing Authority Key Identifier" in said:
        return f"{said} (an old cluster CA; allow it with strictX509: false)"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return f"{said} (is the cluster's CA configured, and is it the current one?)"
    return said or type(exc).__name__
