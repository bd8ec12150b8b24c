from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from gateway_app import CHART, FORM, ID, JOB, Behind, app_over, client_of
from hypothesis import given
from hypothesis import strategies as st

from dag_common.errors import (
    Conflict,
    DagError,
    Invalid,
    NotFound,
    Refused,
    TooLarge,
    Unavailable,
    Unproven,
    Unreadable,
)
from dag_gateway.handlers.request import KeyReused
from dag_gateway.http.bodies import MAX_JSON_BYTES

FILES = {"chart": ("chart.tgz", CHART)}
TABLE = [
    (Invalid("say why"), 400),
    (Unproven("say why"), 401),
    (NotFound("say why"), 404),
    (Conflict("say why"), 409),
    (Refused("code", "say why"), 409),
    (TooLarge("say why"), 413),
    (KeyReused("say why"), 422),
    (Unavailable("say why", retry_after=0.2), 503),
]


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def client(behind: Behind) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_over(behind)) as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str) -> httpx.Response:
    if path == "/api/deploy":
        return await client.post(path, data=FORM, files=FILES)
    return await client.post(path, json=JOB)


@pytest.mark.parametrize("path", ["/api/deploy", "/api/get/chart", "/api/get/values"])
@pytest.mark.parametrize(("error", "status"), TABLE, ids=lambda value: type(value).__name__)
async def test_every_error_is_a_problem_with_its_status_and_sentence(
    client: httpx.AsyncClient, behind: Behind, path: str, error: DagError, status: int
) -> None:
    behind.error = error
    answer = await ask(client, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"title", "status", "detail"}
    assert (told["status"], told["detail"]) == (status, "say why")


async def test_who_cannot_be_answered_now_is_told_when_to_come_again(client: httpx.AsyncClient, behind: Behind) -> None:
    behind.error = Unavailable("GitLab is down", retry_after=29.5)
    assert (await ask(client, "/api/deploy")).headers["retry-after"] == "30"
    behind.error = Unavailable("GitLab is down", retry_after=0.1)
    assert (await ask(client, "/api/deploy")).headers["retry-after"] == "1"


async def test_a_401_carries_a_challenge(client: httpx.AsyncClient, behind: Behind) -> None:
    behind.error = Unproven("no")
    assert "JobToken" in (await ask(client, "/api/deploy")).headers["www-authenticate"]
    assert "Bearer" in (await client.get("/api/deployments")).headers["www-authenticate"]


@pytest.mark.parametrize(
    "error", [RuntimeError("planted-secret"), Unreadable("planted-secret"), DagError("planted-secret")]
)
async def test_what_nobody_expected_is_a_500_that_tells_nothing_and_is_logged(
    client: httpx.AsyncClient, behind: Behind, error: Exception
) -> None:
    behind.error = error
    with structlog.testing.capture_logs() as logs:
        answer = await ask(client, "/api/deploy")
    assert answer.status_code == 500
    assert "planted-secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    assert "request_failed" in [line["event"] for line in logs]


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ("{}", ["repoUrl", "jobId", "jobToken"]),
        ('{"repoUrl": " ", "jobId": "1", "jobToken": null}', ["repoUrl", "jobToken"]),
        ('{"repoUrl": "r", "jobId": "", "jobToken": "t", "unknown": {"deep": [1]}}', ["jobId"]),
    ],
)
@pytest.mark.parametrize("path", ["/api/get/chart", "/api/get/values"])
async def test_missing_json_fields_are_named_at_once(
    client: httpx.AsyncClient, behind: Behind, path: str, body: str, missing: list[str]
) -> None:
    answer = await client.post(path, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert (answer.status_code, answer.json()["missing"]) == (400, missing)
    assert behind.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b'{"repoUrl": ',
        b"\xff\xfe{}",
        b'{"jobId": "\xff"}',
        b"[" * 20_000,
        b'{"x": ' + b"[" * 20_000,
        b'{"repoUrl": "r", "jobId": 42, "jobToken": "t"}',
    ],
)
async def test_a_broken_json_body_is_a_bad_request(client: httpx.AsyncClient, behind: Behind, body: bytes) -> None:
    answer = await client.post("/api/get/values", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["detail"]
    assert behind.asked == []


@given(st.binary(max_size=300))
async def test_any_bytes_as_json_are_answered_with_400(noise: bytes) -> None:
    behind = Behind()
    async with client_of(app_over(behind)) as client:
        answer = await client.post("/api/get/values", content=noise, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
async def test_any_value_in_a_json_field_is_taken_or_refused(value: object) -> None:
    behind = Behind()
    async with client_of(app_over(behind)) as client:
        body = json.dumps({**JOB, "jobId": value}).encode()
        answer = await client.post("/api/get/values", content=body, headers={"Content-Type": "application/json"})
    taken = isinstance(value, str) and value.strip().isprintable() and 0 < len(value.strip()) <= 256
    assert answer.status_code == (200 if taken else 400)


async def test_json_of_another_type_or_size_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/get/chart", content=json.dumps(JOB), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "expected application/json" in answer.json()["detail"]
    big = json.dumps({**JOB, "more": "x" * MAX_JSON_BYTES})
    answer = await client.post("/api/get/chart", content=big, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "64 KiB" in answer.json()["detail"]


async def test_nothing_there_and_no_such_method_are_problems_too(client: httpx.AsyncClient) -> None:
    for path in ("/", "/api", "/api/deploy/", "/api/deployments/", "/nowhere"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
    answer = await client.put("/api/deploy")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_options_tells_the_methods(client: httpx.AsyncClient) -> None:
    answer = await client.options("/api/deployments")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/events", ""])
@pytest.mark.parametrize("id_", ["1", "not-a-uuid", ID + "0", "{" + ID + "}", ID.replace("-", ""), "%0A" + ID])
async def test_an_id_that_is_no_uuid_is_not_found(client: httpx.AsyncClient, id_: str, path: str) -> None:
    answer = await client.get(f"/api/deployments/{id_}{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_answers_of_the_reads(client: httpx.AsyncClient, behind: Behind) -> None:
    chart = await client.post("/api/get/chart", json=JOB)
    assert (chart.headers["content-type"], chart.content) == ("application/gzip", CHART)
    assert chart.headers["content-disposition"] == 'attachment; filename="shop.tgz"'
    values = await client.post("/api/get/values", json={**JOB, "environment": "production"})
    assert (values.headers["content-type"], values.json()) == ("application/json", {"replicaCount": 3})
    assert behind.asked[1].environment == "production"
    assert JOB["jobToken"] not in repr(behind.asked)


async def test_request_ids_and_traces_are_taken_over_and_forged_ones_replaced(
    client: httpx.AsyncClient, behind: Behind
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-Id": "build-17", "traceparent": trace}
    answer = await client.post("/api/deploy", data=FORM, files=FILES, headers=headers)
    assert answer.headers["x-request-id"] == "build-17"
    assert (behind.commands[0].cause, behind.commands[0].traceparent) == ("build-17", trace)
    headers = {"X-Request-Id": "a b", "traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"}
    answer = await client.post("/api/deploy", data=FORM, files=FILES, headers=headers)
    assert answer.headers["x-request-id"] != "a b"
    assert behind.commands[1].traceparent[3:35] != "0" * 32


async def test_one_line_tells_of_a_request_and_no_line_tells_the_token(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await ask(client, "/api/deploy")
    (line,) = logs
    assert line["event"] == "request_answered"
    assert (line["route"], line["status"], line["method"]) == ("/api/deploy", 200, "POST")
    assert FORM["jobToken"] not in str(logs)


async def test_readiness_says_which_dependency_is_down(behind: Behind) -> None:
    async def up() -> None:
        return

    async def down() -> None:
        raise Unavailable("no route to the broker")

    async with client_of(app_over(behind, checks={"database": up, "broker": down})) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "ok")
        assert answer.json()["broker"] == "no route to the broker"
        assert (await client.get("/healthz")).status_code == 200
        assert "dag_http_requests_total" in (await client.get("/metrics")).text
