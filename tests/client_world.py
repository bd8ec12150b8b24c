"""Client commands as processes, against a gateway played from lists that says what the API reference says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dag_sandbox.serving import serve

ID = "01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a"
TOKEN = "glcbt-planted-token"
HAPPY = [("validating", "Verifying"), ("pushing", "Pushing"), ("monitoring", "Watching"), ("deployed", "It runs")]


PLAN = {
    "dryRun": True,
    "environment": "production",
    "chartVersion": "1.2.3-dag.7",
    "chartVersionNote": "It ends in the position",
    "iac": {"repository": "iac", "url": "https://git.example.com/iac", "branch": "main", "path": "apps/shop"},
    "tip": "c0ffee",
    "targets": [{"cluster": "c", "kind": "flux", "namespace": "n", "name": "shop"}],
    "unchanged": False,
    "files": [
        {"path": "values.yaml", "change": "changed", "diff": "--- a/v\n+++ b/v\n@@ -1 +1 @@\n-a: [1]\n+a: \x1b[31m\n"},
        {"path": "logo.png", "change": "added", "truncated": False},
        {"path": "crds.yaml", "change": "removed", "truncated": True},
    ],
    "filesOmitted": 3,
}


@dataclass
class Stub:
    """A gateway played from lists: what it answers to the next submissions and what each connection streams."""

    refusals: list[tuple[int, str]] = field(default_factory=list)
    connections: list[list[tuple[str, str]]] = field(default_factory=lambda: [HAPPY])
    failure: str = ""
    refused_streams: list[int] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=lambda: PLAN)
    forms: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    resumed_after: list[str] = field(default_factory=list)
    sent: int = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/deploy", self.deploy, methods=["POST"]),
                Route("/api/get/chart", self.chart, methods=["POST"]),
                Route("/api/get/values", self.values, methods=["POST"]),
                Route("/api/deployments/{id}", self.one),
                Route("/api/deployments/{id}/events", self.events),
            ]
        )

    async def deploy(self, request: Request) -> Response:
        async with request.form() as form:
            self.forms.append({key: getattr(value, "filename", value) for key, value in form.items()})
        if self.refusals:
            status, body = self.refusals.pop(0)
            return Response(body, status, headers={"Retry-After": "0"})
        return JSONResponse(self.plan if "dryRun" in self.forms[-1] else {"deploymentId": ID})

    async def chart(self, request: Request) -> Response:
        self.bodies.append(await request.json())
        return Response(b"chart bytes", media_type="application/gzip")

    async def values(self, request: Request) -> Response:
        self.bodies.append(await request.json())
        return JSONResponse({"name": "schön", "replicas": 3})

    async def one(self, _request: Request) -> Response:
        reason = {"stage": "monitoring", "reason": self.failure, "message": "m"} if self.failure else None
        return JSONResponse({"id": ID, "status": "failed", "message": "m", "failure": reason})

    async def events(self, request: Request) -> Response:
        if request.path_params["id"] != ID:
            return Response("no such deployment", 404)
        if self.refused_streams:
            return Response("no stream here", self.refused_streams.pop(0))
        self.resumed_after.append(request.headers.get("last-event-id", ""))
        return StreamingResponse(self.stream(self.connections.pop(0)), media_type="text/event-stream")

    async def stream(self, steps: list[tuple[str, str]]) -> AsyncIterator[str]:
        yield "retry: 1\nevent: heartbeat\ndata: {}\n\n"
        for status, message in steps:
            self.sent += 1
            yield f"id: {self.sent}\nevent: status\ndata: {json.dumps({'status': status, 'message': message})}\n\n"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def run(
    stub: Stub, command: str, *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ran:
    async with serve(stub.app()) as server:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name(command)),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env={"DAG_SERVER_URL": server, "NO_COLOR": "1", "COLUMNS": "200"} | dict(environ or job()),
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert TOKEN.encode() not in out + err
    return Ran(process.returncode or 0, out.decode(), err.decode())


def job() -> dict[str, str]:
    project = "https://git.example.com/shop/web"
    return {
        "GITLAB_CI": "1",
        "CI_PROJECT_URL": project,
        "CI_JOB_ID": "17",
        "CI_JOB_TOKEN": TOKEN,
        "CI_COMMIT_SHA": "a1",
    }
