"""How `dag` proves a job: ID tokens before all else where the CI system has them, and never a token in the output."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from client_world import TOKEN, Ran, Stub, job, run
from github_actions import RIGHT, TokenEndpoint, run_of, token_endpoint

GITHUB = run_of("https://code.example.com")


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/Chart.yaml").write_text("name: shop\nversion: 1.0.0\n")
    return tmp_path / "shop"


@pytest.fixture
async def github() -> AsyncIterator[tuple[TokenEndpoint, dict[str, str]]]:
    numbers = itertools.count(1)
    async with token_endpoint(lambda _: f"planted-id-token-{next(numbers)}") as (endpoint, variables):
        yield endpoint, GITHUB | variables


def assert_silent(ran: Ran) -> None:
    for token in ("planted-id-token", RIGHT, GITHUB["GITHUB_TOKEN"]):
        assert token not in ran.out + ran.err


async def test_on_github_the_client_asks_for_a_token_that_is_meant_for_the_gateway(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]]
) -> None:
    endpoint, environ = github
    stub = Stub()
    ran = await run(stub, "dag", "deploy", str(chart), environ=environ)
    assert ran.code == 0, ran.err
    assert [form["jobToken"] for form in stub.forms] == endpoint.given == ["planted-id-token-1"]
    assert endpoint.audiences[0].startswith("http://127.0.0.1:")
    assert_silent(ran)


@pytest.mark.parametrize(("flags", "variables"), [(("--audience", "a b&c"), {}), ((), {"DAG_AUDIENCE": "a b&c"})])
async def test_the_audience_can_be_said(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]], flags: tuple[str, ...], variables: dict[str, str]
) -> None:
    endpoint, environ = github
    assert (await run(Stub(), "dag", "get-values", *flags, environ=environ | variables)).code == 0
    assert endpoint.audiences == ["a b&c"]


async def test_every_attempt_is_proven_by_a_token_of_its_own(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]]
) -> None:
    endpoint, environ = github
    endpoint.answers = [(503, "")]
    stub = Stub(refusals=[(503, "planted-id-token-1 later"), (502, "later")])
    ran = await run(stub, "dag", "deploy", str(chart), environ=environ)
    assert ran.code == 0, ran.err
    assert [form["jobToken"] for form in stub.forms] == [f"planted-id-token-{number}" for number in (1, 2, 3)]
    assert len({(form["version"], form["jobId"]) for form in stub.forms}) == 1
    assert_silent(ran)


async def test_a_refusal_does_not_quote_the_token_that_was_fetched(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]]
) -> None:
    ran = await run(Stub(refusals=[(401, "planted-id-token-1?")]), "dag", "deploy", str(chart), environ=github[1])
    assert (ran.code, "[token]?" in ran.err) == (3, True)
    assert_silent(ran)


@pytest.mark.parametrize("answer", [(403, '{"value": "x"}'), (200, "<html>"), (200, '{"value": ""}'), (200, "[]")])
async def test_a_github_that_gives_no_token_is_named_and_the_gateway_is_not_asked(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]], answer: tuple[int, str]
) -> None:
    endpoint, environ = github
    endpoint.answers = [answer]
    stub = Stub()
    ran = await run(stub, "dag", "deploy", str(chart), environ=environ)
    assert (ran.code, stub.forms) == (3, [])
    assert f"no ID token, it answered {answer[0]}" in ran.err


async def test_a_token_that_is_given_comes_before_one_that_is_asked_for(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]]
) -> None:
    endpoint, environ = github
    stub = Stub()
    await run(stub, "dag", "deploy", str(chart), environ=environ | {"DAG_JOB_TOKEN": TOKEN})
    assert [form["jobToken"] for form in stub.forms] == [TOKEN]
    assert endpoint.given == []


async def test_a_github_job_that_may_not_ask_is_told_the_two_lines_to_add(chart: Path) -> None:
    ran = await run(Stub(), "dag", "deploy", str(chart), environ=GITHUB)
    assert ran.code == 2
    assert ran.err.endswith("permissions:\n  id-token: write\n")


async def test_a_classic_command_sends_what_it_always_sent_and_explains_the_refusal(
    chart: Path, github: tuple[TokenEndpoint, dict[str, str]]
) -> None:
    endpoint, environ = github
    stub = Stub(refusals=[(401, "no proof")])
    ran = await run(stub, "dag-deploy", str(chart), "--deploy-version", "1", environ=environ)
    assert ran.code == 1
    assert [form["jobToken"] for form in stub.forms] == [GITHUB["GITHUB_TOKEN"]]
    assert endpoint.given == []
    assert ran.err.startswith("Deploy failed (401): no proof\n")
    assert ran.err.endswith("permissions:\n  id-token: write\n")


async def test_on_gitlab_an_id_token_comes_before_the_job_token_but_for_classic_commands(chart: Path) -> None:
    environ = job() | {"DAG_ID_TOKEN": "planted-id-token"}
    stub = Stub(connections=[Stub().connections[0]] * 2)
    ran = await run(stub, "dag", "deploy", str(chart), environ=environ)
    await run(stub, "dag-deploy", str(chart), "--deploy-version", "1", environ=environ)
    assert [form["jobToken"] for form in stub.forms] == ["planted-id-token", TOKEN]
    assert_silent(ran)
