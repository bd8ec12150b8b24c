"""Asks a CI provider over HTTP, with bounds on everything: time, size, questions at once, and where secrets may go."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from dag_common.errors import Unavailable
from dag_common.registry.providers import Provider
from dag_common.registry.references import File
from dag_common.runtime import clock

MAX_BYTES: Final = 1024 * 1024
MAX_QUESTIONS: Final = 8
"""Questions to one provider at once; the rest wait, within their own time limit."""

_LONGEST_WAIT = 3600.0
_USUAL_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is empty if it was larger than 1 MiB or compressed without being asked to be."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_json(self) -> bool:
        """Whether the provider says that the body is JSON."""
        return "json" in self.headers.get("content-type", "").lower()

    @property
    def is_redirect(self) -> bool:
        """Whether the provider points elsewhere."""
        return self.status // 100 == 3  # noqa: PLR2004  # 3xx


class ProviderClient:
    """One provider's connections. Only the configured proxy is used; redirects are never followed.

    So a secret in a header goes to the configured provider and to nobody else.
    """

    def __init__(self, name: str, provider: Provider) -> None:
        self.name = name
        self._seconds = int(provider.timeout)
        self._turns = asyncio.Semaphore(MAX_QUESTIONS)
        self._http = httpx.AsyncClient(
            verify=_trust(name, provider.ca),
            proxy=provider.proxy or None,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=MAX_QUESTIONS, max_keepalive_connections=MAX_QUESTIONS),
            timeout=self._seconds,
        )

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The provider's answer, whatever it is. Raises `Unavailable` if none came within the provider's timeout."""
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return await self._ask(url, headers)
        except (TimeoutError, httpx.TimeoutException) as exc:
            raise Unavailable(f"CI provider {self.name} did not answer within {self._seconds} s") from exc
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as exc:
            raise Unavailable(f"CI provider {self.name} cannot be asked: {_reason(exc)}") from exc

    async def close(self) -> None:
        """Close the connections; questions under way end as `Unavailable`."""
        await self._http.aclose()

    async def _ask(self, url: str, headers: Mapping[str, str]) -> Answer:
        try:
            return await self._once(url, headers)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A kept-alive connection that the provider had just closed: asking changes nothing there, so ask again.
            return await self._once(url, headers)

    async def _once(self, url: str, headers: Mapping[str, str]) -> Answer:
        # No compression: a small compressed body may be a huge one.
        sent = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "dag-gateway", **headers}
        async with self._http.stream("GET", url, headers=sent) as response:
            return Answer(response.status_code, response.headers, await _bounded_body(response))


async def _bounded_body(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        return b""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            return b""
    return bytes(body)


def retry_after(answer: Answer) -> float:
    """The seconds `Retry-After` asks to wait (a number or a date, RFC 9110 §10.2.3), from 1 s to 1 h; 5 if none."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
        except (ValueError, TypeError):
            return _USUAL_WAIT
    return min(max(seconds, 1.0), _LONGEST_WAIT)


def _trust(name: str, ca: File | None) -> ssl.SSLContext:
    if ca is None:
        return httpx.create_ssl_context()
    try:
        context = ssl.create_default_context(cafile=ca.path)
    except (OSError, ssl.SSLError) as exc:
        raise Unavailable(f"CI provider {name} cannot be asked: its CA file {ca.file.written} cannot be read") from exc
    # Python 3.13 demands key identifiers that private authorities of earlier years do not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _reason(exc: Exception) -> str:
    """A category instead of the library's text, which may repeat URLs and headers."""
    if "CERTIFICATE_VERIFY_FAILED" in str(exc):
        return "its TLS certificate is not trusted (set the provider's ca)"
    if isinstance(exc, httpx.ProxyError):
        return "its proxy refuses"
    if isinstance(exc, httpx.ConnectError):
        return "no connection"
    if isinstance(exc, httpx.NetworkError | httpx.RemoteProtocolError):
        return "the connection broke"
    return "the question could not be sent"
