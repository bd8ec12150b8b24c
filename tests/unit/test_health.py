from __future__ import annotations

import httpx
from starlette.applications import Starlette

from dag_common.errors import Unavailable
from dag_common.runtime.health import Health


async def works() -> None:
    """A dependency that answers."""


async def is_away() -> None:
    raise Unavailable("no answer from it")


async def asked(health: Health) -> httpx.Response:
    transport = httpx.ASGITransport(app=Starlette(routes=health.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://process") as client:
        return await client.get("/readyz")


async def test_a_process_without_a_dependency_it_needs_is_not_ready_and_says_which() -> None:
    answer = await asked(Health({"database": is_away, "disk": works}))
    assert (answer.status_code, answer.json()) == (503, {"database": "no answer from it", "disk": "ok"})


async def test_what_it_works_on_without_is_told_and_keeps_it_ready() -> None:
    answer = await asked(Health({"database": works}, told={"broker": is_away}))
    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "broker": "no answer from it"})
