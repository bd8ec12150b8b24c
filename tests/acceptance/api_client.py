"""A client of the API that can send anything, and services with places in git where something is odd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from acceptance.harness.charts import chart_files, pack
from acceptance.harness.scene import Build, Scene
from gateway_world import Sent, rest_of, sent_on

LAB = "acme/lab"
ODD = {
    "outside": "../../etc",
    "missing": "lab/missing",
    "plain": "lab/plain",
    "broken": "lab/broken",
    "file": "lab/file",
    "folder": "lab/folder",
}
"""Environments by the branch they take, and their paths."""

CHART = b"apiVersion: v2\nname: lab\nversion: 1.0.0\n"
IAC_FILES = {
    "lab/plain/Chart.yaml": CHART,
    "lab/broken/Chart.yaml": CHART,
    "lab/broken/values.yaml": b"a: [1\n",
    "lab/file": b"no directory\n",
    "lab/folder/values.yaml/x": b"no file\n",
}
OPERATOR = "planted-operator"
AUTHORISED = {"Authorization": f"Bearer {OPERATOR}"}
JOB_FIELDS = ("repoUrl", "jobId", "jobToken")
DEPLOY_FIELDS = (*JOB_FIELDS, "version", "chart")
QUESTIONS = ("/api/get/chart", "/api/get/values")
EVERY_POST = ("/api/deploy", *QUESTIONS)
ABSENT = "01924f5a-7b3c-7d8e-9f1a-2b3c4d5e6f7a"


@dataclass(frozen=True, slots=True)
class Client:
    """A CI job that may send anything. In `changes`, None leaves a field out."""

    scene: Scene
    http: httpx.AsyncClient

    def job(self, ref: str, project: str = LAB) -> dict[str, Any]:
        gitlab = self.scene.outside.gitlab
        job = gitlab.create_job(project=project, ref=ref)
        return {"repoUrl": gitlab.project_url(LAB), "jobId": str(job.id), "jobToken": job.token}

    async def post(self, path: str, ref: str = "plain", project: str = LAB, **changes: Any) -> httpx.Response:
        given = self.job(ref, project) | {"version": "1.2.3", "chart": pack(chart_files("x"))} | changes
        given = {name: value for name, value in given.items() if value is not None}
        if path in QUESTIONS:
            return await self.http.post(path, json={n: v for n, v in given.items() if n not in ("version", "chart")})
        chart = {"chart": ("chart.tgz", given.pop("chart"))} if "chart" in given else {"other": ("x", b"x")}
        return await self.http.post(path, data=given, files=chart)

    @asynccontextmanager
    async def stream(self, deployment_id: str, last_event_id: str = "") -> AsyncIterator[AsyncIterator[Sent]]:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        async with self.http.stream("GET", f"/api/deployments/{deployment_id}/events", headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield sent_on(answer)

    async def told(self, deployment_id: str, last_event_id: str = "") -> list[Sent]:
        """Everything a stream says until the server closes it."""
        async with asyncio.timeout(30), self.stream(deployment_id, last_event_id) as events:
            return await rest_of(events)


@asynccontextmanager
async def client_of(build: Build, directory: Path, **counts: int) -> AsyncIterator[Client]:
    """Services over the ordinary landscape (two environments of one branch) and some odd places."""
    (directory / "operator").write_text(OPERATOR)
    scene = await build(
        environments=2, unwatched=2, variables={"DAG_OPERATOR_TOKENS": f"file:{directory / 'operator'}"}
    )
    await scene.outside.git.commit("iac-0", IAC_FILES)
    (scene.outside.registry / "odd.yaml").write_text(yaml.safe_dump(_odd_apps(scene)))
    await scene.dag.start(**counts)
    async with httpx.AsyncClient(base_url=scene.dag.gateways[0], timeout=30, trust_env=False) as http:
        yield Client(scene, http)


def _odd_apps(scene: Scene) -> dict[str, Any]:
    def environment(name: str, path: str) -> dict[str, Any]:
        return {
            "name": name,
            "branch": name,
            "iac": {"repository": "iac-0", "path": path},
            "targets": [{"kind": "none"}],
        }

    lab = [environment(name, path) for name, path in ODD.items()]
    elsewhere = {"repoUrl": "https://GitLab.Example.com/Acme/Web", "provider": "away"}
    return {
        "providers": {"away": {"kind": "gitlab", "url": "http://127.0.0.1:9"}},
        "apps": [
            {
                "name": "lab",
                "repoUrl": scene.outside.gitlab.project_url(LAB),
                "provider": "gitlab",
                "environments": lab,
            },
            {"name": "web", **elsewhere, "environments": [environment("web", "web")]},
        ],
    }


def assert_problem(answer: httpx.Response, status: int, said: str = "", missing: list[str] | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["title"]
    assert told["status"] == status
    assert said in told["detail"]
    assert told.get("missing") == missing
    assert ("retry-after" in answer.headers) == (status == 503)
