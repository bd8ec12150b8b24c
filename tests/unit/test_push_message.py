"""Commit messages and what a server's answer means."""

from __future__ import annotations

import pytest
from examples import requested
from hypothesis import given
from hypothesis import strategies as st

from dag_common.contracts.events import IacTarget, Job
from dag_pusher.domain.message import Trailers, commit_message, one_line, read_trailers
from dag_pusher.domain.outcome import Pushed, Raced, Rejected, judge

TRAILERS = Trailers("0197-deployment", "ab" * 32, 17, "cd" * 32)


def test_the_message_is_what_peoples_tooling_greps_with_our_trailers_below() -> None:
    assert commit_message(requested(), TRAILERS) == (
        "[podinfo] deploy 1.2.3\n"
        "\n"
        "Repo: https://gitlab.example.com/team/podinfo\n"
        "Branch: main\n"
        "Environment: production\n"
        "Commit: 4d1c3a9be0f7c2d1e0a9b8c7d6e5f4a3b2c1d0e9\n"
        "Job: https://gitlab.example.com/team/podinfo/-/jobs/42\n"
        "IaC Target: apps/podinfo\n"
        "\n"
        "Deployment-Id: 0197-deployment\n"
        f"Chart-Digest: {'ab' * 32}\n"
        "Log-Position: 17\n"
        f"Log-Head: {'cd' * 32}\n"
    )


@pytest.mark.parametrize("url", ["https://x.example/team/podinfo.git", "https://x.example/team/podinfo/"])
def test_the_first_line_names_the_repository(url: str) -> None:
    assert commit_message(requested(repo_url=url), TRAILERS).startswith("[podinfo] deploy ")


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(["1\n\nDeployment-Id: forged", "1\r\nLog-Position: 9", "1\u2028Log-Head: x", "1\x0b\x0c\x85x"]),
    st.text("\n\r: \x00\udcff" + "DeploymentId-"),
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_nothing_ci_sends_adds_a_line_or_a_trailer(version: str, branch: str, path: str) -> None:
    hostile = requested(
        version=version,
        branch=branch,
        environment=branch,
        commit=version,
        repo_url=f"https://x/{version}",
        job=Job(id="1", url=branch),
        iac=IacTarget(repository="iac", url="https://x/iac", branch="main", path=path),
    )
    message = commit_message(hostile, TRAILERS)
    assert len(message.splitlines()) == 13
    assert read_trailers(message) == TRAILERS
    message.encode()


@given(st.text())
def test_a_value_is_one_line(value: str) -> None:
    assert len(one_line(value).splitlines()) <= 1


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Fix a typo\n",
        "Quote\n\nDeployment-Id: x\nLog-Position: 1\n\nThe end\n",
        "No position\n\nDeployment-Id: x\n",
        "Bad position\n\nDeployment-Id: x\nLog-Position: one\n",
        "Bad position\n\nDeployment-Id: x\nLog-Position: \u0661\n",
    ],
)
def test_other_peoples_commits_have_no_trailers_of_ours(message: str) -> None:
    assert read_trailers(message) is None


def test_trailers_survive_what_others_add_to_them() -> None:
    signed = commit_message(requested(), TRAILERS) + "Signed-off-by: Somebody <somebody@example.com>\n"
    assert read_trailers(signed) == TRAILERS
    assert read_trailers(signed.replace("\n", "\r\n")) == TRAILERS


@pytest.mark.parametrize(
    "reason",
    [
        "non-fast-forward",
        "fetch first",
        "failed to update ref",
        "cannot lock ref 'refs/heads/main': is at 1 but expected 2",
        "incorrect old value provided",
    ],
)
def test_somebody_elses_push_is_tried_again(reason: str) -> None:
    assert isinstance(judge(reason, ""), Raced)


@pytest.mark.parametrize(
    "reason", ["pre-receive hook declined", "protected branch hook declined", "shallow update not allowed", "deny"]
)
def test_a_refusal_is_final_and_told_in_the_servers_words(reason: str) -> None:
    outcome = judge(reason, "\x1b[31mGL-HOOK-ERR:\x1b[0m  only\x07 on Mondays \r\n\n")
    assert outcome == Rejected(f"{reason}: GL-HOOK-ERR:  only on Mondays")


def test_no_refusal_is_a_push_and_gitlabs_own_trouble_is_none() -> None:
    assert judge(None, "warning: large file") == Pushed()
    assert isinstance(judge("pre-receive hook declined", "GitLab: Internal API unreachable\n"), Raced)
