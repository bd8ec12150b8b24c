"""Who may see all deployments: holders of an operator's or auditor's token."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from starlette.requests import Request

from dag_common.errors import Unproven
from dag_common.registry.references import Secret


class NotAnOperator(Unproven):
    """The bearer token is missing or unknown: send an operator's or auditor's token."""


class Operators:
    """Tokens by reference, read anew for every question, so rotation needs no restart."""

    def __init__(self, tokens: Sequence[Secret]) -> None:
        self._tokens = tuple(tokens)

    def admit(self, request: Request) -> None:
        """Raises `NotAnOperator`, or `Unavailable` when no token could be compared."""
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not sent.strip():
            raise NotAnOperator("This needs an operator's or auditor's token: Authorization: Bearer <token>")
        given = sent.strip().encode()
        if not any([hmac.compare_digest(given, token.read().encode()) for token in self._tokens]):  # noqa: C419 - no early end that could be timed
            raise NotAnOperator("The bearer token is not an operator's or auditor's token")
