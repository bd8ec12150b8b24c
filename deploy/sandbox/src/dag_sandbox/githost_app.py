"""The git host's web application: who may in, which fault strikes, then git itself."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from dag_common.errors import Invalid
from dag_sandbox.githost_backend import Backend
from dag_sandbox.githost_faults import Faults
from dag_sandbox.githost_page import commit_page, is_page
from dag_sandbox.githost_repository import HostedRepository, create

_STALLING = 1 << 12
"""Only long answers stall in the middle: a list of refs has no middle worth the name."""


class GitHostApp:
    """ASGI: `/<name>.git/…` is git, `/_faults` is the faults (GET, PATCH), PUT `/_repositories/<name>` makes one.

    `/<name>/commit/<id>` is a page for people on this machine.
    """

    def __init__(self, root: Path, faults: Faults, *, user: str, password: str) -> None:
        self._root = root
        self._faults = faults
        self._credentials = f"{user}:{password}" if password else ""
        self._backend = Backend(root)
        self.requests = 0
        """Git requests so far, refused ones included."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        request = Request(scope, receive, send)
        if request.url.path == "/_faults":
            await (await self._control(request))(scope, receive, send)
        elif request.url.path.startswith("/_repositories/") and request.method == "PUT":
            await self._create(request)(scope, receive, send)
        elif is_page(request):
            page = await asyncio.to_thread(commit_page, self._root, request.url.path)
            await page(scope, receive, send)
        else:
            await self._git(request, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.to_thread(self._backend.install_hooks)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _control(self, request: Request) -> Response:
        if request.method == "PATCH":
            try:
                self._faults.change(await request.body())
            except msgspec.MsgspecError as exc:
                return PlainTextResponse(f"{exc}\n", 400)
        return JSONResponse(msgspec.to_builtins(self._faults))

    def _create(self, request: Request) -> Response:
        try:
            create(self._root, request.url.path.removeprefix("/_repositories/"))
        except Invalid as exc:
            return PlainTextResponse(f"{exc.message}\n", 400)
        return Response(status_code=204)

    async def _git(self, request: Request, send: Send) -> None:
        self.requests += 1
        await asyncio.sleep(self._faults.delay_seconds)
        refusal = self._refusal(request)
        if refusal is not None:
            await refusal(request.scope, request.receive, send)
            return
        pushes = request.method == "POST" and request.url.path.endswith("/git-receive-pack")
        if pushes and await self._strike(request, send):
            return
        environment = {"DAG_SANDBOX_REJECT": self._faults.reject}
        async with self._backend.run(request, environment) as answer:
            if pushes and self._faults.strikes("cut_after_push"):
                _ = [chunk async for chunk in answer.body]
                await _cut(send)
                return
            headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for chunk in answer.body:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                while self._faults.stall_answers and len(chunk) > _STALLING:  # noqa: ASYNC110 - plain data, set over HTTP
                    await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": b""})

    async def _strike(self, request: Request, send: Send) -> bool:
        """Whether a fault took this push; one that somebody else raced goes on."""
        if self._faults.strikes("cut_before_push"):
            await _cut(send)
            return True
        if self._faults.strikes("races"):
            await asyncio.to_thread(_race, self._root / self._name(request))
        return False

    def _refusal(self, request: Request) -> Response | None:
        if self._faults.strikes("failures"):
            return PlainTextResponse("out of order\n", self._faults.failure_status)
        if not self._admits(request):
            return PlainTextResponse("HTTP Basic: Access denied\n", 401, {"WWW-Authenticate": 'Basic realm="sandbox"'})
        name = self._name(request)
        if not name or not (self._root / name / "HEAD").exists():
            return PlainTextResponse("no such repository\n", 404)
        return None

    def _admits(self, request: Request) -> bool:
        if not self._credentials or self._faults.auth_off:
            return True
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return hmac.compare_digest(value.encode(), self._credentials.partition(":")[2].encode())
        try:
            given = base64.b64decode(value, validate=True)
        except binascii.Error:
            return False
        return kind.lower() == "basic" and hmac.compare_digest(given, self._credentials.encode())

    @staticmethod
    def _name(request: Request) -> str:
        name, dot_git, _ = request.url.path.lstrip("/").partition(".git/")
        return f"{name}.git" if dot_git and ".." not in name else ""


def _race(directory: Path) -> None:
    HostedRepository(directory).commit({"raced.txt": HostedRepository(directory).tip().encode()}, message="First")


async def _cut(send: Send) -> None:
    """Promise a body and send none: the server closes the connection when the application returns."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4096")]})
