"""The sandbox's front door: one address that tells where the parts are."""

from __future__ import annotations

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dag_sandbox.addresses import Addresses


class Front:
    """ASGI: GET / answers the addresses as JSON once they are known, 503 before; /healthz the same without a body."""

    def __init__(self) -> None:
        self.addresses: Addresses | None = None

    def app(self) -> Starlette:
        """The app to serve."""
        return Starlette(routes=[Route("/", self._tell), Route("/healthz", self._tell)])

    async def _tell(self, _request: Request) -> Response:
        if self.addresses is None:
            return PlainTextResponse("the sandbox is starting\n", 503, headers={"Retry-After": "1"})
        return Response(msgspec.json.encode(self.addresses), media_type="application/json")
