"""GitHub's runner as a job sees it: its variables, and the address at which it asks for ID tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from dag_sandbox.oidc_issuer import IssuerDouble, github_claims
from dag_sandbox.serving import serve

RIGHT = "planted-right-to-ask"
"""What ACTIONS_ID_TOKEN_REQUEST_TOKEN says."""


@dataclass
class TokenEndpoint:
    """Answers as GitHub actions/toolkit `packages/core/src/oidc-utils.ts` expects; `answers` come first, in turn."""

    mint: Callable[[str], str]
    answers: list[tuple[int, str]] = field(default_factory=list)
    audiences: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.answer(Request(scope))(scope, receive, send)

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"bearer {RIGHT}" or request.query_params.get("api-version") != "2":
            return Response("Unauthorized", 401)
        if self.answers:
            status, body = self.answers.pop(0)
            return Response(body, status)
        self.audiences.append(request.query_params["audience"])
        self.given.append(self.mint(self.audiences[-1]))
        return JSONResponse({"value": self.given[-1]})


@asynccontextmanager
async def token_endpoint(mint: Callable[[str], str]) -> AsyncIterator[tuple[TokenEndpoint, dict[str, str]]]:
    """The endpoint, and the variables that tell a job of it; the address has a query already, as GitHub's has."""
    endpoint = TokenEndpoint(mint)
    async with serve(endpoint) as url:
        yield (
            endpoint,
            {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?api-version=2"} | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": RIGHT},
        )


def minting(issuer: IssuerDouble, repository: str = "acme/shop") -> Callable[[str], str]:
    """ID tokens of a push's run."""
    return lambda audience: issuer.issuer.mint(
        {**github_claims(repository), "aud": audience}, lifetime=timedelta(minutes=5)
    )


def run_of(server: str, repository: str = "acme/shop") -> dict[str, str]:
    """What a run knows of itself; the token it has from the start proves nothing."""
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": server,
        "GITHUB_REPOSITORY": repository,
        "GITHUB_RUN_ID": "4711",
        "GITHUB_SHA": "b2" * 20,
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_NAME": "main",
        "GITHUB_TOKEN": "ghs_planted",
    }
