"""Faults of the GitLab double: what it answers instead of the truth, and for how many questions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from starlette.responses import Response

_HTML = b"<!DOCTYPE html><title>502</title><h1>GitLab is not responding</h1>"


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An answer with this status and body after `delay_seconds`; without a status the truth comes, late.

    `times` is how many questions it meets; None: all until it is cleared.
    """

    status: int | None = None
    headers: Mapping[str, str] = {}
    body: str = ""
    delay_seconds: float = 0.0
    times: int | None = None


class Faults:
    """At most one fault at a time; it begins with the next question."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._left = 0

    @property
    def active(self) -> bool:
        """Whether the next question meets a fault."""
        return self._fault is not None

    def set(self, fault: Fault) -> None:
        """Begin with a fault in place of the one before."""
        self._fault, self._left = fault, fault.times or 0

    def clear(self) -> None:
        """Tell the truth again."""
        self._fault = None

    def down(self, status: int = 502) -> None:
        """A proxy's page in front of a GitLab that is not there."""
        self.set(Fault(status=status, headers={"content-type": "text/html"}, body=_HTML.decode()))

    def rate_limited(self, retry_after: str) -> None:
        """Too many questions, with a `Retry-After`."""
        self.set(
            Fault(status=429, headers={"content-type": "text/plain", "retry-after": retry_after}, body="Retry later\n")
        )

    def slow(self, seconds: float) -> None:
        """The truth, late."""
        self.set(Fault(delay_seconds=seconds))

    async def answer(self) -> Response | None:
        """What to answer instead of the truth, or None."""
        fault = self._fault
        if fault is None:
            return None
        if fault.times is not None:
            self._left -= 1
            if self._left <= 0:
                self._fault = None
        await asyncio.sleep(fault.delay_seconds)
        if fault.status is None:
            return None
        return Response(fault.body, fault.status, headers=dict(fault.headers))
