from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from dag_client.answers import why
from dag_client.call import Given, Proof, complete, complete_for, server_address
from dag_client.ci import detect
from dag_client.errors import Misused
from dag_client.id_tokens import IdTokens

GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://git.example.com/shop/web",
    "CI_JOB_ID": "17",
    "CI_JOB_TOKEN": "glcbt-planted",
    "CI_COMMIT_SHA": "abc",
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://code.example.com",
    "GITHUB_REPOSITORY": "shop/web",
    "GITHUB_RUN_ID": "99",
    "ACTIONS_RUNTIME_TOKEN": "runtime-planted",
    "GITHUB_SHA": "def",
}


def test_a_gitlab_job_is_detected() -> None:
    call = complete(Given(server="https://dag.example.com/"), GITLAB)
    assert call.fields() == {"repoUrl": "https://git.example.com/shop/web", "jobId": "17", "jobToken": "glcbt-planted"}
    assert call.server == "https://dag.example.com"


def test_the_classic_commands_detect_a_github_run_and_its_own_token_comes_first() -> None:
    given = Given(server="http://dag")
    assert complete_for(detect(GITHUB), given).job_token == "runtime-planted"
    call = complete_for(detect({**GITHUB, "GITHUB_TOKEN": "ghs-planted"}), given)
    assert (call.repo, call.job_id, call.job_token) == ("https://code.example.com/shop/web", "99", "ghs-planted")


def test_a_github_run_that_may_ask_for_id_tokens_uses_no_other() -> None:
    asking = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ask", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "planted"}
    call = complete(Given(server="https://dag.example.com/"), GITHUB | asking)
    assert (call.job_token, call.id_tokens) == ("", IdTokens("https://ask", "planted", "https://dag.example.com"))
    assert "planted" not in repr(call)


def test_only_the_command_that_would_ask_tells_a_github_job_how_to_let_it_ask() -> None:
    bare = {name: value for name, value in GITHUB.items() if name != "ACTIONS_RUNTIME_TOKEN"}
    with pytest.raises(Misused, match=r"DAG_JOB_TOKEN.*\npermissions:\n  id-token: write$"):
        complete(Given(server="http://dag"), bare | {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ask"})
    with pytest.raises(Misused, match=r"DAG_JOB_TOKEN.*in brackets.$"):
        complete_for(detect(bare), Given(server="http://dag"))
    with pytest.raises(Misused, match=r"^Missing: --server.*in brackets.$"):
        complete(Given(job_token="t"), bare)


def test_what_is_given_comes_before_what_is_detected() -> None:
    call = complete(Given(server="http://dag", repo="https://r", job_id="1", job_token="t", environment="e"), GITLAB)
    assert call.fields() == {"repoUrl": "https://r", "jobId": "1", "jobToken": "t", "environment": "e"}


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(Misused) as refused:
        complete(Given(), {})
    for name in ("--server", "DAG_SERVER_URL", "DAG_REPO_URL", "DAG_JOB_ID", "DAG_JOB_TOKEN"):
        assert name in str(refused.value)


def test_variables_of_a_ci_system_that_is_not_there_count_for_nothing() -> None:
    assert detect({name: value for name, value in GITLAB.items() if name != "GITLAB_CI"}).id == ""


def test_a_tag_is_the_version_before_the_commit() -> None:
    assert detect({**GITLAB, "CI_COMMIT_TAG": "v2"}).version == "v2"
    assert detect({**GITHUB, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v3"}).version == "v3"
    assert detect({**GITHUB, "GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}).version == "def"


@pytest.mark.parametrize("address", ["dag.example.com", "ftp://dag", "https://", "https://me:secret@dag"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Misused, match="DAG_SERVER_URL"):
        server_address(address)


@pytest.mark.parametrize(
    "address", ["me:hunter2@dag", "ftp://me:hunter2@dag", "https://me:hunter2@dag", "http://[hunter2@"]
)
def test_a_password_in_an_address_is_not_shown(address: str) -> None:
    with pytest.raises(Misused, match="DAG_SERVER_URL") as refused:
        server_address(address)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n"])
def test_what_stands_around_a_token_is_not_sent(around: str) -> None:
    token = around.format("planted")
    asking = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ask", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token}
    asked = complete(Given(server="http://dag"), GITHUB | asking).id_tokens
    assert complete(Given(server="http://dag", job_token=token), GITLAB).job_token == "planted"
    assert complete(Given(server="http://dag"), {**GITLAB, "CI_JOB_TOKEN": token}).job_token == "planted"
    assert Proof.of_operator(token).headers == {"Authorization": "Bearer planted"}
    assert asked is not None
    assert asked.bearer == "planted"


@pytest.mark.parametrize("token", ["plan\nted", "plan\x00ted", "plantéd"])
def test_a_token_that_cannot_be_sent_is_named_and_not_shown(token: str) -> None:
    asking = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ask", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token}
    given = Given(server="http://dag")
    for name, send in {
        "DAG_OPERATOR_TOKEN": lambda: Proof.of_operator(token),
        "DAG_JOB_TOKEN": lambda: complete(replace(given, job_token=token), GITLAB),
        "gitlab job": lambda: complete(given, {**GITLAB, "CI_JOB_TOKEN": token}),
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": lambda: complete(given, GITHUB | asking),
    }.items():
        with pytest.raises(Misused, match=name) as refused:
            send()
        assert "plan" not in str(refused.value)


def test_an_http_library_that_quotes_a_header_is_not_quoted() -> None:
    assert "planted" not in why(httpx.LocalProtocolError("Illegal header value b'Bearer planted\n'"))
    assert why(httpx.ReadTimeout("")) == "ReadTimeout"


def test_no_token_shows_in_a_repr() -> None:
    call = complete(Given(server="http://dag", job_token="planted"), GITLAB)
    assert "planted" not in repr(call) + repr(detect(GITLAB)) + repr(Given(job_token="planted"))
