"""ID tokens that a CI system makes when a job asks: GitHub Actions, and whoever does as it does.

The request is that of GitHub actions/toolkit `packages/core/src/oidc-utils.ts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from dag_client.answers import LATER, Unreachable, why
from dag_client.errors import NotAccepted


@dataclass(frozen=True, slots=True)
class IdTokens:
    """Where a job asks for its tokens, with what right, and whom the tokens are meant for."""

    url: str
    bearer: str = field(repr=False)
    audience: str

    async def take(self, http: httpx.AsyncClient) -> str:
        """A fresh token. Raises `Unreachable` if asking again may help, else `NotAccepted`."""
        try:
            answer = await http.get(self._address, headers={"Authorization": f"bearer {self.bearer}"})
        except httpx.TransportError as error:
            raise Unreachable(f"The CI system gave no ID token ({why(error)}).") from error
        except httpx.InvalidURL as error:
            raise NotAccepted("ACTIONS_ID_TOKEN_REQUEST_URL is no address; it comes from the CI system.") from error
        if answer.status_code in LATER:
            raise Unreachable(f"The CI system gave no ID token ({answer.status_code}).")
        return _value(answer)

    @property
    def _address(self) -> str:
        return f"{self.url}{'&' if '?' in self.url else '?'}audience={quote(self.audience, safe='')}"


def _value(answer: httpx.Response) -> str:
    try:
        value = answer.json()["value"] if answer.is_success else ""
    except (ValueError, KeyError, TypeError):
        value = ""
    if not isinstance(value, str) or not value:
        raise NotAccepted(f"The CI system gave no ID token, it answered {answer.status_code} without one.")
    return value
