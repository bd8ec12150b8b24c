"""Who stands outside of CI: operators, who may cancel and see all deployments, and auditors, who may only see."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from dag_common.errors import Unproven
from dag_common.registry.references import Secret


class UnknownHolder(Unproven):
    """The bearer token is missing or unknown: send an operator's or auditor's token."""


class OnlyAnAuditor(Unproven):
    """The bearer token is an auditor's, who only reads: send an operator's."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token as it was sent, not yet known to be anybody's."""

    token: str = field(repr=False)


class TokenHolders:
    """Tokens by reference, read anew for every question, so rotation needs no restart."""

    def __init__(self, operators: Sequence[Secret], auditors: Sequence[Secret]) -> None:
        self._operators = tuple(operators)
        self._auditors = tuple(auditors)

    def admit_reader(self, bearer: Bearer) -> None:
        """Raises `UnknownHolder`, or `Unavailable` when a token cannot be read."""
        if not _holds(bearer, (*self._operators, *self._auditors)):
            raise UnknownHolder("The bearer token is not an operator's or auditor's token")

    def admit_operator(self, bearer: Bearer) -> None:
        """Raises `UnknownHolder`, `OnlyAnAuditor`, or `Unavailable` when a token cannot be read."""
        if _holds(bearer, self._operators):
            return
        self.admit_reader(bearer)
        raise OnlyAnAuditor("The bearer token is an auditor's, and auditors only read; this takes an operator's token")


def _holds(bearer: Bearer, tokens: Sequence[Secret]) -> bool:
    given = bearer.token.encode()
    return any([hmac.compare_digest(given, token.read().encode()) for token in tokens])  # noqa: C419 - no early end that could be timed
