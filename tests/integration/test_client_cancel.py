"""`dag cancel` as a process, against a gateway that says only what the API reference says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dag_sandbox.serving import serve

ID = "01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a"
TOKEN = "planted-token"
PROJECT = "https://git.example.com/shop/web"
JOB = {"GITLAB_CI": "1", "CI_PROJECT_URL": PROJECT, "CI_JOB_ID": "17", "CI_JOB_TOKEN": TOKEN}
CANCELLED = {"deploymentId": ID, "status": "failed", "message": "Cancelled by ada (gitlab job 17)"}


@dataclass
class Stub:
    """Answers in turn, the last one for ever; keeps what it was sent."""

    answers: list[tuple[int, dict[str, Any]]]
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.sent.append((request.path_params["id"], request.headers.get("authorization", ""), await request.body()))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return JSONResponse(body, status, headers={"Retry-After": "0"})


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def cancel(stub: Stub, *arguments: str, environ: Mapping[str, str] = JOB) -> Ran:
    app = Starlette(routes=[Route("/api/deployments/{id}/cancel", stub.__call__, methods=["POST"])])
    async with serve(app) as server:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("dag")),
            "cancel",
            ID,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"DAG_SERVER_URL": server, "NO_COLOR": "1", "COLUMNS": "200"} | dict(environ),
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert TOKEN.encode() not in out + err
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def test_a_job_proves_itself_in_the_body_and_is_told_who_cancelled() -> None:
    stub = Stub([(200, CANCELLED)])
    ran = await cancel(stub)
    assert (ran.code, ran.out) == (0, "Cancelled by ada (gitlab job 17)\n"), ran.err
    ((id_, authorization, body),) = stub.sent
    assert (id_, authorization) == (ID, "")
    assert json.loads(body) == {"repoUrl": PROJECT, "jobId": "17", "jobToken": TOKEN}


@pytest.mark.parametrize("environ", [{}, JOB])
async def test_an_operators_token_is_sent_alone(environ: Mapping[str, str]) -> None:
    stub = Stub([(200, CANCELLED)])
    ran = await cancel(stub, "--json", environ={**environ, "DAG_OPERATOR_TOKEN": TOKEN})
    assert (ran.code, json.loads(ran.out)) == (0, CANCELLED), ran.err
    assert stub.sent == [(ID, f"Bearer {TOKEN}", b"")]


@pytest.mark.parametrize(("status", "code"), [(400, 3), (401, 3), (403, 3), (404, 3), (409, 1)], ids=str)
async def test_a_refusal_is_told_from_coming_too_late(status: int, code: int) -> None:
    ran = await cancel(Stub([(status, {"title": "No", "status": status, "detail": f"because of {TOKEN}"})]))
    assert ran.code == code
    assert f"Cancel failed ({status}): because of [token]" in ran.err


async def test_a_token_with_a_line_break_in_it_is_refused_and_not_shown() -> None:
    stub = Stub([(200, CANCELLED)])
    ran = await cancel(stub, environ={"DAG_OPERATOR_TOKEN": f"{TOKEN}\nmore"})
    assert (ran.code, stub.sent) == (2, [])
    assert "DAG_OPERATOR_TOKEN" in ran.err


async def test_an_outcome_that_is_open_names_the_command_that_tells_it() -> None:
    ran = await cancel(Stub([(202, {"deploymentId": ID, "status": "pushing", "message": "It is recorded"})]))
    assert ran.code == 4
    assert f"It is recorded. To see which: dag watch {ID}" in ran.err


async def test_a_gateway_that_is_busy_is_asked_again() -> None:
    stub = Stub([(503, {"detail": "later"}), (200, CANCELLED)])
    assert (await cancel(stub)).code == 0
    assert len(stub.sent) == 2


async def test_who_is_nobody_is_told_what_to_set() -> None:
    ran = await cancel(Stub([(200, CANCELLED)]), environ={"PATH": ""})
    assert ran.code == 2
    assert "DAG_JOB_TOKEN" in ran.err
