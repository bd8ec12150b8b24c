"""An OIDC issuer on loopback for tests and trials: GitHub's, as a server has it, or any other's.

With `github_claims`, its `issuer` mints what GitHub gives to a run; a GitHub server's path is `/_services/token`.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Literal, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dag_sandbox.gitlab_faults import Faults
from dag_sandbox.gitlab_issuer import Issuer
from dag_sandbox.serving import serve


class IssuerDouble:
    """Served while its context is open; `questions` counts what was asked for its keys.

    `jwks` replaces the keys it publishes, `discovered` what it says of itself, for issuers that are broken.
    """

    def __init__(self, *, path: str = "", algorithm: Literal["RS256", "ES256"] = "RS256") -> None:
        self.path = path
        self.issuer = Issuer(algorithm)
        self.faults = Faults()
        self.questions = 0
        self.jwks: dict[str, Any] | None = None
        self.discovered: dict[str, Any] = {}
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """The `iss` of its tokens."""
        return self.issuer.url

    async def __aenter__(self) -> Self:
        routes = [
            Route(f"{self.path}/.well-known/openid-configuration", self._discovery),
            Route(f"{self.path}/.well-known/jwks", self._keys),
        ]
        root = await self._stack.enter_async_context(serve(Starlette(routes=routes)))
        self.issuer.url = f"{root}{self.path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _discovery(self, _request: Request) -> Response:
        return JSONResponse({**self.issuer.discovery(f"{self.url}/.well-known/jwks"), **self.discovered})

    async def _keys(self, _request: Request) -> Response:
        self.questions += 1
        if (fault := await self.faults.answer()) is not None:
            return fault
        return JSONResponse(self.issuer.jwks() if self.jwks is None else self.jwks)


def github_claims(repository: str = "acme/shop", branch: str = "main", run_id: str = "4711") -> dict[str, Any]:
    """What GitHub tells of a push's run (GitHub, `content/actions/reference/security/oidc.md`): all texts."""
    owner = repository.partition("/")[0]
    return {
        "sub": f"repo:{repository}:ref:refs/heads/{branch}",
        "ref": f"refs/heads/{branch}",
        "ref_type": "branch",
        "ref_protected": "true",
        "sha": "0" * 40,
        "repository": repository,
        "repository_id": "74",
        "repository_owner": owner,
        "repository_owner_id": "65",
        "run_id": run_id,
        "run_number": "10",
        "run_attempt": "1",
        "actor": "octocat",
        "actor_id": "12",
        "workflow": "deploy",
        "workflow_ref": f"{repository}/.github/workflows/deploy.yml@refs/heads/{branch}",
        "event_name": "push",
        "base_ref": "",
        "head_ref": "",
        "runner_environment": "github-hosted",
    }
