"""The first things a newcomer types, as they are typed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAG = Path(sys.executable).with_name("dag")


@contextlib.asynccontextmanager
async def sandbox(*arguments: str, directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dag_sandbox",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("DAG_")},
            "TMPDIR": str(directory),
            "DAG_DATA_DIR": str(directory / "data"),
            "COLUMNS": "100",
        },
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


@pytest.mark.timeout(300)
async def test_the_demo_shows_a_deployment_and_a_failure_and_leaves_nothing(tmp_path: Path) -> None:
    async with sandbox("demo", directory=tmp_path) as process:
        out, _ = await asyncio.wait_for(process.communicate(), 200)
    said = out.decode()
    assert process.returncode == 0, said
    assert "\x1b" not in said
    for words in ("pushing", "monitoring", "deployed", "[hello] deploy 1.0.0", '"replicaCount": 2', "hello/Chart.yaml"):
        assert words in said
    assert "no-such-tag" in said.partition("fails")[2]
    assert "failed" in said.partition("fails")[2]
    assert left_running(tmp_path) == []
    assert not any(tmp_path.glob("*"))  # noqa: ASYNC240 - a look at a directory in a test


async def test_the_demo_stops_when_told_to_and_leaves_nothing(tmp_path: Path) -> None:
    async with sandbox("demo", directory=tmp_path) as process:
        await _read_until(process, b"accepted as")
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 130
    assert left_running(tmp_path) == []


@pytest.mark.timeout(300)
async def test_the_commands_that_up_prints_work_as_they_are_printed(tmp_path: Path) -> None:
    async with sandbox("up", directory=tmp_path) as process:
        printed = await _read_until(process, b"dag sandbox tour")
        quick = printed.decode().partition("eval")
        lines = f"{quick[1]}{quick[2]}".strip().splitlines()
        assert len(lines) <= 12
        assert max(map(len, lines)) <= 100
        begun, _ = await typed("\n".join(lines[:3]), tmp_path)
        assert begun.count("Deployment successful") == 1, begun
        said, code = await typed(
            f"set -o pipefail; {DAG} sandbox tour > {tmp_path}/tour && . {tmp_path}/tour", tmp_path
        )
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert code == 1, said  # the last command is the deployment that fails
    assert said.count('"status":"deployed"') >= 2
    for words in ('"greeting":"Hello from DAG"', "hello/templates/deployment.yaml", "Deployment-Id:", "no-such-tag"):
        assert words in said
    assert left_running(tmp_path) == []


async def typed(script: str, directory: Path) -> tuple[str, int]:
    """What a shell says to a script, and its exit code."""
    environ = {**os.environ, "DAG_DATA_DIR": str(directory / "data"), "TMPDIR": str(directory)}
    trying = await asyncio.create_subprocess_exec(
        *("bash", "-c", script), cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(trying.communicate(), 200)
    return out.decode(), trying.returncode or 0


async def test_a_closed_standard_output_ends_the_sandbox_quietly(tmp_path: Path) -> None:
    script = f"{DAG} sandbox 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"
    said, code = await typed(script, tmp_path)
    assert code == 141
    assert said.strip() == ""  # its first line is empty
    assert left_running(tmp_path) == []


async def test_a_second_sandbox_in_a_directory_changes_nothing_of_the_first(tmp_path: Path) -> None:
    registry = tmp_path / "data/registry/sandbox.yaml"
    async with sandbox("up", directory=tmp_path) as first:
        await _read_until(first, b"Everything runs")
        written = registry.read_bytes()
        async with sandbox("up", directory=tmp_path) as second:
            out, _ = await asyncio.wait_for(second.communicate(), 60)
        assert registry.read_bytes() == written
    assert second.returncode == 1
    assert b"Another DAG runs on" in out


async def _read_until(process: asyncio.subprocess.Process, words: bytes) -> bytes:
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(60):
        while words not in said:
            line = await process.stdout.readline()
            if not line:
                pytest.fail(f"it ended before it said {words!r}: {said.decode()}")
            said += line
    return said


def left_running(directory: Path) -> list[str]:
    """Processes whose command line names the directory: the embedded Postgres would."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if str(directory).encode() in command:
                found.append(command.decode(errors="replace"))
    return found
