"""`dag` that is told to stop while it waits, on a terminal and in a job."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from client_world import HAPPY, ID, Stub, job
from starlette.requests import Request
from starlette.responses import Response

from dag_sandbox.serving import serve


class Waiting(Stub):
    """A gateway whose deployment never ends; `asked` once a client listens."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def stream(self, steps: list[tuple[str, str]]) -> AsyncIterator[str]:
        async for event in super().stream(steps[:1]):
            yield event
        self.asked.set()
        await asyncio.Event().wait()


class Silent(Waiting):
    """A gateway that takes a chart and says nothing."""

    async def deploy(self, request: Request) -> Response:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


@asynccontextmanager
async def started(stub: Waiting, *arguments: str, command: str = "dag") -> AsyncIterator[asyncio.subprocess.Process]:
    async with serve(stub.app()) as server:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name(command)),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"DAG_SERVER_URL": server, "NO_COLOR": "1"} | job(),
        )
        try:
            async with asyncio.timeout(30):
                await stub.asked.wait()
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@pytest.fixture
def chart(tmp_path: Path) -> str:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/Chart.yaml").write_text("name: shop\nversion: 1.0.0\n")
    return str(tmp_path / "shop")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_whoever_stops_the_wait_is_told_how_to_go_on(chart: str, number: signal.Signals, code: int) -> None:
    async with started(Waiting(), "deploy", chart) as process:
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == code, err
    assert err.decode() == f"Stopped waiting. The deployment goes on: dag watch {ID}\n"
    assert b"section_end:" in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_programs_are_told_that_a_wait_was_stopped(number: signal.Signals, code: int) -> None:
    async with started(Waiting(), "watch", ID, "--json") as process:
        process.send_signal(number)
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    end: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert (process.returncode, end["type"], end["exitCode"], end["status"]) == (code, "end", code, "unknown")


async def test_who_stops_before_the_answer_is_told_that_the_outcome_is_open(chart: str) -> None:
    async with started(Silent(), "deploy", chart) as process:
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, b"may have been accepted" in err, b"section_end:" in out) == (143, True, True), err


async def test_a_classic_command_that_is_stopped_has_failed(chart: str) -> None:
    async with started(Waiting(), chart, "--deploy-version", "1", command="dag-deploy") as process:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1


async def test_a_terminal_gets_the_live_view() -> None:
    screen, shell = pty.openpty()
    stub = Stub(connections=[HAPPY, HAPPY])
    async with serve(stub.app()) as server:
        environ = {"DAG_SERVER_URL": server, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("dag")), "watch", ID, stdout=shell, env=environ
        )
        os.close(shell)
        shown = await asyncio.wait_for(asyncio.to_thread(everything, screen), 30)
        assert await process.wait() == 0
    assert "\x1b[?25l" in shown, "the cursor is hidden while the view lives"
    assert "✓" in shown
    assert "It runs" in shown


def everything(terminal: int) -> str:
    """What is written to a terminal until nobody holds its other side; Linux tells that as EIO."""
    read = b""
    with suppress(OSError):
        while part := os.read(terminal, 4096):
            read += part
    os.close(terminal)
    return read.decode()
