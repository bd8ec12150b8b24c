"""What came back from a gateway, or did not: which answers may change when the same is asked again, and when to ask."""

from __future__ import annotations

import json
from typing import Final

import httpx

from dag_client.clock import pause
from dag_client.errors import NotAccepted

LATER: Final = frozenset({408, 429, 502, 503, 504})
"""Statuses that say nothing about the request itself: it may be sent again. 408: its body came too slowly."""


class Unreachable(NotAccepted):
    """No answer at all, or one that says nothing about the request: ask again."""


class Refusal(NotAccepted):
    """An answer that is not 2xx. `status` and `body` are as the gateway sent them, without the job's token."""

    def __init__(self, what: str, answer: httpx.Response, body: str) -> None:
        super().__init__(f"{what} failed ({answer.status_code}): {_elsewhere(answer) or _detail(body)}")
        self.what = what
        self.status = answer.status_code
        self.body = body
        self.retry_after = answer.headers.get("Retry-After", "")


def wait_after(problem: Refusal | Unreachable, attempt: int) -> float | None:
    """Seconds until the request may be repeated; None if it may not."""
    if isinstance(problem, Refusal) and problem.status not in LATER:
        return None
    said = wait_said(problem)
    return pause(attempt) if said is None else said


def wait_said(problem: Refusal | Unreachable) -> float | None:
    """Seconds that the answer itself asks for, if it does. Retry-After as a date is not used by DAG."""
    if isinstance(problem, Unreachable) or not problem.retry_after.isdecimal():
        return None
    return max(float(problem.retry_after), 0.1)


def why(error: Exception) -> str:
    """An error in words, even if it has none of its own.

    What h11 says of a request that it cannot write quotes the header, which may hold a token; it is not repeated.
    """
    if isinstance(error, httpx.LocalProtocolError):
        return "the request cannot be written as HTTP"
    return str(error) or type(error).__name__


def _elsewhere(answer: httpx.Response) -> str:
    """What a redirect says; it is not followed, for a token must not go where nobody sent it."""
    if not answer.has_redirect_location:
        return ""
    there = answer.headers["Location"]
    named = "" if "@" in there else f" {there}"
    return f"it sends to another address{named}; --server (DAG_SERVER_URL) must be the gateway's own."


def _detail(body: str) -> str:
    """The sentence of an RFC 9457 problem, or the body as it is."""
    try:
        problem = json.loads(body)
    except ValueError:
        return body.strip()
    if isinstance(problem, dict) and problem.get("detail"):
        return str(problem["detail"])
    return body.strip()
