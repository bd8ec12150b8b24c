from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from dag_sandbox.serving import serve


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _endless(request: Request) -> StreamingResponse:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"drop\n"
            await asyncio.sleep(3600)

    return StreamingResponse(drip())


async def _stuck(request: Request) -> PlainTextResponse:
    await asyncio.sleep(3600)
    return PlainTextResponse("never")


APP = Starlette(routes=[Route("/", _hello), Route("/endless", _endless), Route("/stuck", _stuck)])


async def test_an_app_answers_as_soon_as_its_url_is_known_and_is_gone_afterwards() -> None:
    async with httpx.AsyncClient() as client:
        async with serve(APP) as url:
            assert (await client.get(url + "/")).text == "hello"
        with pytest.raises(httpx.ConnectError):
            await client.get(url + "/")


async def test_open_streams_and_stuck_requests_are_cut_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with httpx.AsyncClient() as client:
        async with asyncio.timeout(10), serve(APP) as url:
            stuck = asyncio.create_task(client.get(url + "/stuck", timeout=30))
            stream = client.stream("GET", url + "/endless", timeout=30)
            response = await stream.__aenter__()
            chunks = response.aiter_bytes()
            assert await anext(chunks) == b"drop\n"
        with pytest.raises(httpx.HTTPError):
            await stuck
        with pytest.raises(httpx.HTTPError):
            await anext(chunks)
        await stream.__aexit__(None, None, None)
    assert caplog.records == []


async def test_the_process_keeps_its_own_signal_handlers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with serve(APP):
        assert signal.getsignal(signal.SIGTERM) is before


async def test_two_servers_get_different_ports_and_a_taken_port_is_an_error() -> None:
    async with serve(APP) as first, serve(APP) as second:
        assert first != second
        with pytest.raises(OSError, match="in use"):
            async with serve(APP, port=int(first.rsplit(":", 1)[1])):
                pass
