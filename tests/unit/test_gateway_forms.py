from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from gateway_app import CHART, FORM, ID, MAX_CHART, TYPE, Behind, app_over, client_of, form, part, post
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from dag_common.errors import DagError, Invalid, TooLarge
from dag_gateway.http import bodies
from dag_gateway.http.forms import MAX_FIELD_BYTES, read_form
from dag_gateway.http.jobs import KNOWN, REQUIRED

FILES = {"chart": ("chart.tgz", CHART)}


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def client(behind: Behind) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_over(behind)) as client:
        yield client


async def test_a_whole_form_becomes_one_command(client: httpx.AsyncClient, behind: Behind) -> None:
    answer = await client.post("/api/deploy", data={**FORM, "environment": " production "}, files=FILES)
    assert (answer.status_code, answer.json()) == (200, {"deploymentId": ID})
    (command,) = behind.commands
    assert command.asked.repo_url == FORM["repoUrl"]
    assert (command.version, command.chart, command.asked.environment) == ("1.2.3", CHART, "production")
    assert FORM["jobToken"] not in repr(command)


@pytest.mark.parametrize("blank", ["", " ", "\t\r\n "])
async def test_every_missing_field_is_named_at_once_and_white_space_is_missing(
    client: httpx.AsyncClient, behind: Behind, blank: str
) -> None:
    answer = await client.post("/api/deploy", data={"repoUrl": blank, "jobId": blank}, files={"other": b"x"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["missing"] == list(REQUIRED)
    assert behind.commands == []


@pytest.mark.parametrize("field", REQUIRED)
async def test_each_required_field_is_required(client: httpx.AsyncClient, field: str) -> None:
    data = {name: value for name, value in FORM.items() if name != field}
    answer = await client.post("/api/deploy", data=data, files={"x": b"y"} if field == "chart" else FILES)
    assert (answer.status_code, answer.json()["missing"]) == (400, [field])
    assert field in answer.json()["detail"]


async def test_a_chart_file_needs_no_content_type(client: httpx.AsyncClient, behind: Behind) -> None:
    assert (await post(client, form() + b"--gap--\r\n")).status_code == 200
    assert behind.commands[0].chart == CHART


async def test_an_archive_sent_as_a_text_field_is_taken_and_a_path_is_explained(
    client: httpx.AsyncClient, behind: Behind
) -> None:
    fields = b"".join(part(name, value.encode()) for name, value in FORM.items())
    assert (await post(client, fields + part("chart", CHART) + b"--gap--")).status_code == 200
    answer = await post(client, fields + part("chart", b"./chart.tgz") + b"--gap--")
    assert answer.status_code == 400
    assert "-F chart=@chart.tgz" in answer.json()["detail"]
    assert len(behind.commands) == 1


async def test_an_empty_chart_is_missing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/deploy", data=FORM, files={"chart": ("c.tgz", b"")})
    assert answer.json()["missing"] == ["chart"]


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
@pytest.mark.parametrize("preamble", [b"", b"\r\n", b"This is a form.\r\n--ga\r\n\r\n", b"-" * 300 + b"\r\n"])
async def test_what_stands_before_the_first_boundary_is_skipped_however_it_arrives(
    client: httpx.AsyncClient, behind: Behind, preamble: bytes, size: int
) -> None:
    body = preamble + form() + b"--gap--\r\n"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    answer = await client.post("/api/deploy", content=pieces(), headers={"Content-Type": TYPE})
    assert (answer.status_code, len(behind.commands)) == (200, 1), answer.text
    assert behind.commands[0].chart == CHART


async def test_unknown_fields_are_ignored(client: httpx.AsyncClient, behind: Behind) -> None:
    files = {**FILES, "notes": ("n.txt", b"x" * 1000)}
    answer = await client.post("/api/deploy", data={**FORM, "colour": "red"}, files=files)
    assert answer.status_code == 200
    assert len(behind.commands) == 1


@pytest.mark.parametrize("name", ["dryrun", "dry_run", "dry-run", "DRY_RUN", "DryRun", "Environment", "Version"])
@pytest.mark.parametrize("value", [b"true", b""])
async def test_a_field_that_is_misspelt_deploys_nothing_and_is_told_how_it_is_spelt(
    client: httpx.AsyncClient, behind: Behind, name: str, value: bytes
) -> None:
    answer = await post(client, form(**{name: value}) + b"--gap--\r\n")
    (meant,) = [known for known in KNOWN if known.lower() == name.lower().replace("_", "").replace("-", "")]
    assert (answer.status_code, f"{name} is spelt {meant}" in answer.json()["detail"]) == (400, True)
    assert behind.commands == behind.checked == []


async def test_what_is_missing_is_told_before_what_is_misspelt(client: httpx.AsyncClient, behind: Behind) -> None:
    data = {"repo_url": FORM["repoUrl"], "dry_run": "true", "version": "1"}
    answer = await client.post("/api/deploy", data=data, files=FILES)
    assert (answer.status_code, answer.json()["missing"]) == (400, ["repoUrl", "jobId", "jobToken"])
    odd = await post(client, form(**{"dry" + "_" * 500 + "\u0007run": b"true"}) + b"--gap--\r\n")
    assert odd.status_code == 200
    long = await post(client, form(**{"dry" + "_" * 500 + "run": b"true"}) + b"--gap--\r\n")
    assert (long.status_code, len(long.json()["detail"]) < 200) == (400, True)
    assert len(behind.commands) == 1


@pytest.mark.parametrize("field", ["repoUrl", "chart"])
async def test_a_field_sent_twice_is_refused(client: httpx.AsyncClient, behind: Behind, field: str) -> None:
    answer = await post(client, form() + part(field, b"other") + b"--gap--")
    assert answer.status_code == 400
    assert f"{field} stands in the form twice" in answer.json()["detail"]
    assert behind.commands == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", b"1.0\nDeployment-Id: forged"),
        ("version", b"1.0\x00"),
        ("jobId", b"4\x7f2"),
        ("environment", "prod\u202euction".encode()),
        ("version", b"\xff\xfe"),
        ("version", b"v" * 257),
        ("repoUrl", b"https://x/" + b"a" * 2048),
    ],
)
async def test_what_could_forge_a_log_or_a_commit_message_is_refused(
    client: httpx.AsyncClient, behind: Behind, field: str, value: bytes
) -> None:
    answer = await post(client, form(**{field: value}) + b"--gap--")
    assert answer.status_code == 400
    assert field in answer.json()["detail"]
    assert behind.commands == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("", b""),
        ("multipart/form-data", form()),
        ("multipart/form-data; boundary=", form()),
        (TYPE, b""),
        (TYPE, b"no multipart at all"),
        (TYPE, form()),
        (TYPE, form()[:-30]),
        (TYPE, b"--gap\r\nContent-Type: text/plain\r\n\r\nx\r\n--gap--"),
        (TYPE, b"--gap\r\nbroken header\r\n\r\nx\r\n--gap--"),
        (TYPE, b"".join(part(f"f{n}", b"") for n in range(80)) + b"--gap--"),
    ],
)
async def test_another_body_or_a_broken_one_is_a_bad_request_that_says_what_was_expected(
    client: httpx.AsyncClient, behind: Behind, content_type: str, body: bytes
) -> None:
    answer = await post(client, body, content_type)
    assert answer.status_code == 400
    assert "form" in answer.json()["detail"]
    assert behind.commands == []


async def test_a_chart_over_the_limit_is_too_large_and_one_at_the_limit_is_not(
    client: httpx.AsyncClient, behind: Behind
) -> None:
    biggest = CHART + bytes(MAX_CHART - len(CHART))
    assert (await client.post("/api/deploy", data=FORM, files={"chart": biggest})).status_code == 200
    answer = await client.post("/api/deploy", data=FORM, files={"chart": biggest + b"x"})
    assert answer.status_code == 413
    assert answer.json()["detail"] == "The chart is larger than 64 KiB"
    assert len(behind.commands) == 1


async def test_fields_over_their_limit_are_too_large(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/deploy", data={**FORM, "version": "v" * (MAX_FIELD_BYTES + 1)}, files=FILES)
    assert answer.status_code == 413


async def test_an_announced_size_over_the_limit_is_refused_before_anything_is_read() -> None:
    asked = []

    async def receive() -> Message:
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"content-type", TYPE.encode()), (b"content-length", b"99999999"), (b"expect", b"100-continue")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(TooLarge):
        await read_form(request, KNOWN, MAX_CHART, lambda _: None)
    assert asked == []


async def test_an_endless_body_is_cut_at_the_cap_and_its_rest_is_read_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DRAIN_BYTES", 10 * MAX_CHART)
    given_out = 0

    async def receive() -> Message:
        nonlocal given_out
        given_out += 4096
        return {"type": "http.request", "body": b"x" * 4096, "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", TYPE.encode())]}, receive)
    with pytest.raises(DagError):
        await read_form(request, KNOWN, MAX_CHART, lambda _: None)
    assert given_out == 10 * MAX_CHART


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(behind: Behind) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": form(), "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/deploy",
        "query_string": b"",
        "headers": [(b"content-type", TYPE.encode())],
    }
    await app_over(behind)(scope, receive, send)
    assert behind.commands == []
    assert sent[0]["status"] == 499


@pytest.mark.parametrize(("value", "status"), [("true", 200), ("1", 200), (" Yes", 200), ("on", 400), ("dry", 400)])
async def test_a_dry_run_is_never_taken_for_a_deployment(
    client: httpx.AsyncClient, behind: Behind, value: str, status: int
) -> None:
    answer = await client.post("/api/deploy", data={**FORM, "dryRun": value}, files=FILES)
    assert (answer.status_code, "deploymentId" in answer.json()) == (status, False)
    assert (behind.commands, len(behind.checked)) == ([], int(status == 200))


@pytest.mark.parametrize("value", ["false", "0", "NO", " "])
async def test_no_dry_run_is_a_deployment(client: httpx.AsyncClient, behind: Behind, value: str) -> None:
    answer = await client.post("/api/deploy", data={**FORM, "dryRun": value}, files=FILES)
    assert answer.json() == {"deploymentId": ID}
    assert behind.checked == []


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "schlüssel"])
async def test_an_idempotency_key_that_is_none_is_refused(client: httpx.AsyncClient, behind: Behind, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await client.post("/api/deploy", data=FORM, files=FILES, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert behind.commands == []


@given(
    st.binary(max_size=200),
    st.integers(1, 50),
    st.sampled_from([lambda b: b, lambda b: form() + b, lambda b: form() + b + b"--gap--", lambda b: part("chart", b)]),
)
async def test_any_bytes_in_any_pieces_make_a_form_or_a_refusal(
    noise: bytes, size: int, around: Callable[[bytes], bytes]
) -> None:
    body = around(noise)
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    scope: dict[str, Any] = {"type": "http", "method": "POST", "headers": [(b"content-type", TYPE.encode())]}
    try:
        form_read = await read_form(Request(scope, receive), KNOWN, MAX_CHART, lambda _: None)
        assert form_read.ended
        assert set(form_read.texts) <= KNOWN
    except Invalid:
        assert not pieces, "what is refused is still read to its end"


async def test_a_lost_connection_is_no_refusal() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", TYPE.encode())]}, receive)
    with pytest.raises(ClientDisconnect):
        await read_form(request, KNOWN, MAX_CHART, lambda _: None)
