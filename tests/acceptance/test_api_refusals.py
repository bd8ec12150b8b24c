"""What the API refuses, row by row of the reference: over HTTP, from running services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance.api_client import (
    ABSENT,
    DEPLOY_FIELDS,
    EVERY_POST,
    JOB_FIELDS,
    LAB,
    QUESTIONS,
    Client,
    assert_problem,
    client_of,
)
from acceptance.harness.scene import Build

from dag_sandbox.gitlab_faults import Fault


async def test_a_refusal_has_the_status_and_the_words_of_the_reference(
    build: Build, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    async with client_of(build, tmp_path, gateway=1) as client:
        for path in EVERY_POST:
            await _missing_fields(client, path, subtests)
            await _refused_jobs_and_places(client, path, subtests)
            await _a_provider_out_of_order(client, path, subtests)
        await _other_bodies(client, subtests)
        await _iac_contents(client, subtests)
        await _other_methods_and_places(client, subtests)


async def _missing_fields(client: Client, path: str, subtests: pytest.Subtests) -> None:
    required = JOB_FIELDS if path in QUESTIONS else DEPLOY_FIELDS
    with subtests.test(path, all_missing=True):
        nothing: dict[str, Any] = dict.fromkeys(required)
        assert_problem(await client.post(path, **nothing), 400, "Missing", list(required))
    for name in required:
        for value in (None, b"" if name == "chart" else " \t"):
            with subtests.test(path, missing=name, value=value):
                change: dict[str, Any] = {name: value}
                assert_problem(await client.post(path, **change), 400, name, [name])


async def _refused_jobs_and_places(client: Client, path: str, subtests: pytest.Subtests) -> None:
    over = client.job("plain")
    client.scene.outside.gitlab.finish_job(int(over["jobId"]))
    nowhere = client.scene.outside.gitlab.project_url("acme/none")
    several = client.job("main", "acme/shop") | {"repoUrl": client.scene.outside.gitlab.project_url("acme/shop")}
    rows: list[tuple[int, str, dict[str, Any]]] = [
        (401, "over", over),
        (401, "acme/other", {"project": "acme/other"}),
        (401, "job 1 ", {"jobId": "1"}),
        (404, "acme/none", {"repoUrl": nowhere, "jobToken": "wrong"}),
        (401, "token", {"jobToken": "wrong", "environment": "nowhere", "ref": "feature/x"}),
        (404, "feature/x", {"ref": "feature/x"}),
        (404, "nowhere", {"environment": "nowhere"}),
        (404, "does not take", {"environment": "broken"}),
        (400, "env-00, env-01", several),
        (400, "env-00, env-01", several | {"environment": " "}),
        (400, "outside the repository", {"ref": "outside"}),
    ]
    for status, said, changes in rows:
        with subtests.test(path, status=status, said=said):
            assert_problem(await client.post(path, **changes), status, said)


async def _a_provider_out_of_order(client: Client, path: str, subtests: pytest.Subtests) -> None:
    faults = client.scene.outside.gitlab.faults
    html = {"content-type": "text/html"}
    for fault in (
        Fault(status=429, headers={"retry-after": "7"}),
        *(Fault(status=status, headers=html, body="<html>") for status in (200, 403, 404, 500)),
    ):
        faults.set(fault)
        answer = await client.post(path)
        faults.clear()
        with subtests.test(path, provider=fault.status):
            assert_problem(answer, 503, "gitlab")
            assert fault.status != 429 or answer.headers["retry-after"] == "7"


async def _other_bodies(client: Client, subtests: pytest.Subtests) -> None:
    form, cut = "multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="version"\r\n\r\n1'
    rows = [
        ("/api/deploy", "application/json", b"{}", 400, "expected multipart/form-data"),
        ("/api/deploy", "", b"", 400, "expected multipart/form-data"),
        ("/api/deploy", "multipart/form-data", b"x", 400, "boundary"),
        ("/api/deploy", form, b"garbage", 400, "broken"),
        ("/api/deploy", form, cut, 400, "cut"),
        ("/api/deploy", form, cut + bytes(100_000) + b"\r\n--b--\r\n", 413, "64 KiB"),
    ]
    for path in QUESTIONS:
        rows += [
            (path, "text/plain", b"{}", 400, "expected application/json"),
            *((path, "application/json", body, 400, "JSON") for body in (b"", b'{"a":', b"[]", b"\xff", b"[" * 20_000)),
            (path, "application/json", b'{"repoUrl": "x", "jobId": 5, "jobToken": "x"}', 400, "jobId"),
            (path, "application/json", b" " * 100_000, 413, "64 KiB"),
        ]
    for path, content_type, body, status, said in rows:
        with subtests.test(path, content_type=content_type, body=body[:20]):
            headers = {"Content-Type": content_type} if content_type else {}
            assert_problem(await client.http.post(path, content=body, headers=headers), status, said)


async def _iac_contents(client: Client, subtests: pytest.Subtests) -> None:
    for path, ref, status, said in (
        *((path, "missing", 404, "lab/missing") for path in QUESTIONS),
        *((path, "file", 404, "lab/file") for path in QUESTIONS),
        ("/api/get/values", "plain", 404, "lab/plain/values.yaml"),
        ("/api/get/values", "folder", 404, "lab/folder/values.yaml"),
        ("/api/get/values", "broken", 400, "values.yaml, line 2"),
    ):
        with subtests.test(path, ref=ref):
            assert_problem(await client.post(path, ref), status, said)


async def _other_methods_and_places(client: Client, subtests: pytest.Subtests) -> None:
    rows = [("GET", path, 405) for path in EVERY_POST]
    rows += [("POST", path, 405) for path in ("/api/deployments", f"/api/deployments/{ABSENT}", "/openapi.json")]
    rows += [("GET", path, 404) for path in ("/api/none", "/api/deployments/1", f"/api/deployments/{ABSENT}")]
    rows += [("GET", f"/api/deployments/{each}/events", 404) for each in (ABSENT, "1", "%00")]
    for method, path, status in rows:
        with subtests.test(method, path=path):
            answer = await client.http.request(method, path)
            assert_problem(answer, status)
            assert ("allow" in answer.headers) == (status == 405)


async def test_a_repository_is_found_under_every_spelling_of_its_url(
    build: Build, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    async with client_of(build, tmp_path, gateway=1) as client:
        url = client.scene.outside.gitlab.project_url(LAB)
        with_user = url.replace("://", "://gitlab-ci-token:planted@")
        for spelling in (url, f"{url}/", f"{url}.git", f"{url}.git//", with_user, url.replace("http", "HTTP")):
            with subtests.test(spelling):
                assert (await client.post("/api/get/chart", repoUrl=spelling)).status_code == 200
        for spelling in ("https://GITLAB.example.com/Acme/Web", "https://gitlab.example.com:443/Acme/Web.git/"):
            with subtests.test(spelling):
                assert_problem(await client.post("/api/get/chart", repoUrl=spelling), 503, "away")
        for other in ("https://gitlab.example.com/acme/web", "https://u:planted@gitlab.example.com:8443/Acme/Web"):
            with subtests.test(other):
                answer = await client.post("/api/get/chart", repoUrl=other)
                assert_problem(answer, 404, "No app")
                assert "planted" not in answer.text
