"""What a process says of itself: /healthz (alive), /readyz (its dependencies, one by one), /metrics (Prometheus)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dag_common.errors import DagError

Check = Callable[[], Awaitable[None]]
CHECK_SECONDS = 3.0


class Health:
    """What a process depends on; each check returns when its dependency answers and raises `DagError` if not.

    What is only `told` is reported too, but does not make the process unready: it works on, slower, without it.
    """

    def __init__(self, checks: Mapping[str, Check], *, told: Mapping[str, Check] | None = None) -> None:
        self._needed = frozenset(checks)
        self._checks = {**checks, **(told or {})}

    async def report(self) -> dict[str, str]:
        """For each dependency `ok`, or what is wrong with it; takes at most 3 s."""
        answers = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True))

    def routes(self) -> list[Route]:
        """The three pages."""
        return [Route("/healthz", _alive), Route("/readyz", self._ready), Route("/metrics", _metrics)]

    async def _ready(self, _request: Request) -> Response:
        report = await self.report()
        ready = all(report[name] == "ok" for name in self._needed)
        return JSONResponse(report, status_code=200 if ready else 503)


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except DagError as exc:
        return exc.message
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:.0f} s"
    return "ok"


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("alive\n")


async def _metrics(_request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@asynccontextmanager
async def serve_health(health: Health, host: str, port: int) -> AsyncIterator[None]:
    """Serve the three pages beside a process that has no HTTP of its own; port 0 serves nothing."""
    if port == 0:
        yield
        return
    config = uvicorn.Config(Starlette(routes=health.routes()), host=host, port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve(), name="health")  # noqa: SLF001 - serve() would take over our signals
    try:
        yield
    finally:
        server.should_exit = True
        await serving
