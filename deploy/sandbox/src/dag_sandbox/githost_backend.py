"""`git http-backend` behind ASGI: a CGI process a request, bodies streamed both ways.

The environment it reads: git, Documentation/git-http-backend.txt. It inflates gzip bodies by itself and, without a
CONTENT_LENGTH, reads a chunked body to its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

_CHUNK = 1 << 16
_HOOK = """#!/bin/sh
[ -z "$DAG_SANDBOX_REJECT" ] || { printf '%s\\n' "$DAG_SANDBOX_REJECT" >&2; exit 1; }
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of the answer; `body` yields the rest and ends when the process does."""

    status: int
    headers: dict[str, str]
    body: AsyncIterator[bytes]


class Backend:
    """Starts at most `limit` git processes at once; more requests wait."""

    def __init__(self, root: Path, *, limit: int = 8) -> None:
        self._root = root
        self._slots = asyncio.Semaphore(limit)

    @asynccontextmanager
    async def run(self, request: Request, environment: Mapping[str, str]) -> AsyncIterator[Answer]:
        """Serve one request; leaving the context ends the process whatever state it is in."""
        async with self._slots:
            process = await asyncio.create_subprocess_exec(
                "git",
                "http-backend",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**self._environment(request), **environment},
                start_new_session=True,
            )
            feeding = asyncio.create_task(_feed(request, process))
            try:
                status, headers = await _head(process)
                yield Answer(status, headers, _rest(process))
            finally:
                feeding.cancel()
                await _end(process)
                await asyncio.gather(feeding, return_exceptions=True)

    def install_hooks(self) -> None:
        """Write the hook that refuses pushes on demand; git runs it for every repository under the root."""
        hooks = self._root / "_hooks"
        hooks.mkdir(parents=True, exist_ok=True)
        hook = hooks / "pre-receive"
        hook.write_text(_HOOK)
        hook.chmod(0o755)

    def _environment(self, request: Request) -> dict[str, str]:
        headers = request.headers
        fields = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "core.hooksPath",
            "GIT_CONFIG_VALUE_0": str(self._root / "_hooks"),
            "GIT_CONFIG_KEY_1": "safe.directory",
            "GIT_CONFIG_VALUE_1": "*",
            "PATH_INFO": request.url.path,
            "QUERY_STRING": request.url.query,
            "REQUEST_METHOD": request.method,
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "git-client",
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
        }
        if "content-length" in headers:
            fields["CONTENT_LENGTH"] = headers["content-length"]
        return fields


async def _feed(request: Request, process: asyncio.subprocess.Process) -> None:
    if process.stdin is None:
        return
    with suppress(ConnectionError, ClientDisconnect):  # git or the client may leave before the body ends
        async for chunk in request.stream():
            process.stdin.write(chunk)
            await process.stdin.drain()
    process.stdin.close()


async def _head(process: asyncio.subprocess.Process) -> tuple[int, dict[str, str]]:
    status, headers = 200, {}
    while process.stdout is not None and (line := (await process.stdout.readline()).decode("latin-1").strip()):
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return (status, headers) if headers else (500, headers)


async def _rest(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    while process.stdout is not None and (chunk := await process.stdout.read(_CHUNK)):
        yield chunk


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let a process whose answer was read end by itself; kill any other, with the ones it started."""
    if process.stdout is None or not process.stdout.at_eof():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
