"""Group commits over real HTTP: what arrives, what is refused, and what happens when nobody knows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pygit2
import pytest
from git_examples import attempt, chart_files, push_until_settled, waiting
from pygit2.enums import ObjectType

from dag_common.errors import Unavailable
from dag_common.iac.access import Access, Password
from dag_common.iac.mirror import Mirror
from dag_pusher.domain.message import read_trailers
from dag_pusher.domain.outcome import Pushed, Raced, Rejected
from dag_pusher.domain.plan import Problem
from dag_pusher.git import IacBranch
from dag_sandbox.githost import GitHost

PASSWORD = "sesame-open-please"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[GitHost]:
    async with GitHost(tmp_path / "host", password=PASSWORD) as host:
        await host.create("iac")
        yield host


@pytest.fixture
async def mirror(host: GitHost, tmp_path: Path) -> AsyncIterator[Mirror]:
    mirror = Mirror(host.url("iac"), "main", tmp_path / "mirrors", lambda: Access(Password("dag", PASSWORD)))
    yield mirror
    await mirror.close()


@pytest.fixture
def branch(mirror: Mirror) -> IacBranch:
    return IacBranch(mirror)


def deployed(host: GitHost, branch: str = "main") -> list[int]:
    """The positions in the trailers of the branch's commits, the oldest first."""
    found = [read_trailers(commit.message) for commit in host.repository("iac").log(branch)]
    return [trailers.position for trailers in reversed(found) if trailers]


async def test_a_first_chart_lands_in_an_empty_repository(host: GitHost, branch: IacBranch) -> None:
    batch, outcome = await attempt(branch, [waiting(1)])
    assert outcome == Pushed()
    assert host.repository("iac").files() == {f"apps/web/{name}": text for name, text in chart_files("1.0.1").items()}
    [landed] = batch.landed
    assert landed.commit == host.repository("iac").tip()
    assert (landed.previous_chart, landed.unchanged) == (None, False)


async def test_the_chart_directory_is_replaced_and_everything_else_stays(host: GitHost, branch: IacBranch) -> None:
    await host.create("iac")
    repository = host.repository("iac")
    await host.commit("iac", {"README.md": b"hello", "apps/web/old.yaml": b"gone soon", "apps/web/Chart.yaml": b"v: 0"})
    repository.commit({}, message="A link", links={"apps/latest": "web"})
    batch, outcome = await attempt(branch, [waiting(1)])
    assert outcome == Pushed()
    files = repository.files()
    assert files["README.md"] == b"hello"
    assert files["apps/latest"] == b"web"
    assert "apps/web/old.yaml" not in files
    assert batch.landed[0].previous_chart == b"v: 0"


async def test_a_missing_branch_is_made_from_the_default_branch(host: GitHost, tmp_path: Path) -> None:
    base = await host.commit("iac", {"README.md": b"hello"})
    mirror = Mirror(host.url("iac"), "live/eu", tmp_path / "other", lambda: Access(Password("dag", PASSWORD)))
    batch, outcome = await attempt(IacBranch(mirror), [waiting(1)])
    assert (outcome, batch.base) == (Pushed(), "")
    assert host.repository("iac").files("live/eu")["README.md"] == b"hello"
    assert host.repository("iac").tip() == base
    await mirror.close()


async def test_a_missing_branch_is_made_even_if_the_default_branch_holds_this_chart(
    host: GitHost, tmp_path: Path
) -> None:
    base = await host.commit("iac", {f"apps/web/{name}": text for name, text in chart_files("1.0.1").items()})
    mirror = Mirror(host.url("iac"), "live", tmp_path / "other", lambda: Access(Password("dag", PASSWORD)))
    batch, outcome = await attempt(IacBranch(mirror), [waiting(1)])
    assert outcome == Pushed()
    assert batch.landed[0].unchanged
    assert host.repository("iac").tip("live") == base
    await mirror.close()


async def test_fifty_deployments_arrive_in_one_push_in_the_order_of_their_positions(
    host: GitHost, branch: IacBranch
) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    charts = [waiting(position, path=f"apps/web{position % 7}") for position in range(50, 0, -1)]
    batch, outcome = await attempt(branch, charts)
    assert outcome == Pushed()
    assert deployed(host) == list(range(1, 51))
    commits = [commit.id for commit in host.repository("iac").log()]
    assert [landed.commit for landed in batch.landed] == commits[-2::-1]


async def test_somebody_elses_push_in_between_costs_another_attempt_and_loses_nothing(
    host: GitHost, branch: IacBranch
) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    batch = await branch.prepare([waiting(1)], await branch.look())
    theirs = await host.commit("iac", {"theirs.txt": b"theirs"})
    assert isinstance(await branch.push(batch), Raced)
    assert host.repository("iac").tip() == theirs
    _, outcome, attempts = await push_until_settled(branch, [waiting(1)])
    assert (outcome, attempts) == (Pushed(), 1)
    assert host.repository("iac").files()["theirs.txt"] == b"theirs"


async def test_a_push_that_races_within_the_server_is_refused_and_tried_again(host: GitHost, branch: IacBranch) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    host.faults.races = 3
    _, outcome, attempts = await push_until_settled(branch, [waiting(1), waiting(2)])
    assert (outcome, attempts) == (Pushed(), 4)
    assert deployed(host) == [1, 2]
    assert "raced.txt" in host.repository("iac").files()


async def test_a_branch_set_back_by_somebody_is_not_moved_forward_again(host: GitHost, branch: IacBranch) -> None:
    first = await host.commit("iac", {"README.md": b"one"})
    await host.commit("iac", {"README.md": b"two"})
    batch = await branch.prepare([waiting(1)], await branch.look())
    host.repository("iac").rewind(first)
    assert isinstance(await branch.push(batch), Raced)
    await push_until_settled(branch, [waiting(1)])
    assert host.repository("iac").files()["README.md"] == b"one"


async def test_a_refusal_by_a_hook_is_told_in_the_servers_own_words(host: GitHost, branch: IacBranch) -> None:
    host.faults.reject = "GitLab: You are not allowed to push code to protected branches on this project."
    _, outcome = await attempt(branch, [waiting(1)])
    assert isinstance(outcome, Rejected)
    assert "pre-receive hook declined" in outcome.message
    assert "not allowed to push code to protected branches" in outcome.message
    assert host.repository("iac").tip() == ""


async def test_a_refusal_in_words_that_are_not_utf8_is_still_a_refusal(host: GitHost, branch: IacBranch) -> None:
    host.faults.reject = "gesch\udcfctzt"
    _, outcome = await attempt(branch, [waiting(1)])
    assert isinstance(outcome, Rejected)
    assert "pre-receive hook declined" in outcome.message


async def test_a_servers_own_trouble_is_no_refusal(host: GitHost, branch: IacBranch) -> None:
    host.faults.reject = "GitLab: Internal API unreachable"
    _, outcome = await attempt(branch, [waiting(1)])
    assert isinstance(outcome, Raced)


@pytest.mark.parametrize("fault", ["cut_after_push", "cut_before_push"])
async def test_a_push_whose_answer_is_lost_arrives_exactly_once(host: GitHost, branch: IacBranch, fault: str) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    setattr(host.faults, fault, 2)
    _, outcome, _ = await push_until_settled(branch, [waiting(1), waiting(2)])
    assert outcome == Pushed()
    assert deployed(host) == [1, 2]


async def test_a_pusher_killed_before_it_recorded_its_push_finds_it_again(
    host: GitHost, branch: IacBranch, mirror: Mirror, tmp_path: Path
) -> None:
    base = await host.commit("iac", {"README.md": b"hello"})
    first, _ = await attempt(branch, [waiting(1), waiting(2)])
    await host.commit("iac", {"theirs.txt": b"theirs"})
    successor = Mirror(host.url("iac"), "main", tmp_path / "mirrors", lambda: Access(Password("dag", PASSWORD)))
    batch, outcome = await attempt(
        IacBranch(successor), [waiting(1, bases=(base,)), waiting(2, bases=(base,)), waiting(3)]
    )
    assert outcome == Pushed()
    assert deployed(host) == [1, 2, 3]
    assert [landed.commit for landed in batch.landed[:2]] == [landed.commit for landed in first.landed]
    assert [landed.tree for landed in batch.landed[:2]] == [landed.tree for landed in first.landed]
    assert [landed.settled for landed in batch.landed] == [True, True, False]
    await successor.close()


async def test_a_push_is_found_again_although_the_history_below_it_was_rewritten(
    host: GitHost, branch: IacBranch
) -> None:
    await attempt(branch, [waiting(1)])
    gone = "0123456789012345678901234567890123456789"
    await host.commit("iac", {"theirs.txt": b"theirs"})
    batch, _ = await attempt(branch, [waiting(1, bases=(gone,))])
    assert not batch.needs_push
    assert deployed(host) == [1]


async def test_the_same_chart_again_makes_no_commit(host: GitHost, branch: IacBranch) -> None:
    await attempt(branch, [waiting(1, version="1.0.0")])
    tip = host.repository("iac").tip()
    batch, outcome = await attempt(branch, [waiting(2, version="1.0.0")])
    assert (outcome, batch.needs_push) == (Pushed(), False)
    [landed] = batch.landed
    assert (landed.commit, landed.unchanged, landed.settled) == (tip, True, True)
    assert landed.previous_chart == chart_files("1.0.0")["Chart.yaml"]
    assert host.repository("iac").tip() == tip


async def test_the_same_commit_is_made_whoever_makes_it(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    commits = []
    for name in ("one", "two"):
        mirror = Mirror(host.url("iac"), "main", tmp_path / name, lambda: Access(Password("dag", PASSWORD)))
        batch = await IacBranch(mirror).prepare([waiting(1), waiting(2)], await mirror.look())
        commits.append(batch.tip)
        await mirror.close()
    assert commits[0] == commits[1]


async def test_one_bad_deployment_fails_alone(host: GitHost, branch: IacBranch) -> None:
    await host.commit("iac", {"README.md": b"a file in the way"})
    host.repository("iac").commit({}, message="A link", links={"apps/link": "/etc"})
    no_chart = replace(waiting(2), files=Problem("chart_missing", "the chart is gone"))
    clashing = replace(waiting(3), files={"a": b"", "a/b": b""})
    batch, outcome = await attempt(
        branch,
        [waiting(1), no_chart, clashing, waiting(4, path="README.md/x"), waiting(5, path="apps/link/x"), waiting(6)],
    )
    assert outcome == Pushed()
    assert deployed(host) == [1, 6]
    problems = {step.candidate.position: step.problem for step in batch.unusable}
    assert problems[2].reason == "chart_missing"
    assert "both a file and a directory" in problems[3].message or "below another file" in problems[3].message
    assert "not a directory" in problems[4].message
    assert "resolves outside the repository" in problems[5].message


async def test_a_server_out_of_order_is_unavailable_and_nothing_is_lost(host: GitHost, branch: IacBranch) -> None:
    batch = await branch.prepare([waiting(1)], await branch.look())
    host.faults.failures = 1
    with pytest.raises(Unavailable, match="503"):
        await branch.push(batch)
    assert await branch.push(batch) == Pushed()
    assert await branch.push(batch) == Pushed()
    assert deployed(host) == [1]


async def test_what_others_commits_say_of_their_encoding_does_not_matter(host: GitHost, branch: IacBranch) -> None:
    base = await host.commit("iac", {"README.md": b"hello"})
    repository = pygit2.Repository(str(host.repository("iac").directory))
    somebody = "A <a@example.com> 0 +0000"
    header = f"tree {repository[base].peel(pygit2.Tree).id}\nparent {base}\nauthor {somebody}\ncommitter {somebody}\n"
    theirs = repository.write(ObjectType.COMMIT, f"{header}encoding klingon-1\n\nnuqneH\n".encode())
    repository.references.create("refs/heads/main", theirs, force=True)
    batch, outcome = await attempt(branch, [waiting(1, bases=(base,))])
    assert outcome == Pushed()
    assert host.repository("iac").tip() == batch.tip


async def test_a_chart_yaml_of_any_size_may_be_replaced(host: GitHost, branch: IacBranch) -> None:
    await host.commit("iac", {"apps/web/Chart.yaml": b"#" * (6 << 20)})
    batch, outcome = await attempt(branch, [waiting(1)])
    assert outcome == Pushed()
    assert batch.landed[0].previous_chart is None


async def test_an_object_the_disk_spoiled_is_written_again(host: GitHost, branch: IacBranch, tmp_path: Path) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    content = os.urandom(10_000)
    chart = replace(waiting(1), files=chart_files("1.0.1", **{"templates/big.yaml": content}))
    batch = await branch.prepare([chart], await branch.look())
    blob = str(pygit2.hash(content))
    written = tmp_path / "mirrors" / "0" / "0" / "objects" / blob[:2] / blob[2:]
    written.chmod(0o644)
    with written.open("r+b") as spoiled:
        spoiled.seek(5_000)
        spoiled.write(bytes(500))
    with pytest.raises(Unavailable):
        await branch.push(batch)
    _, outcome = await attempt(branch, [chart])
    assert outcome == Pushed()
    assert deployed(host) == [1]


async def test_a_push_that_arrived_is_told_although_the_copy_cannot_note_it(
    host: GitHost, branch: IacBranch, tmp_path: Path
) -> None:
    await host.commit("iac", {"README.md": b"hello"})
    batch = await branch.prepare([waiting(1)], await branch.look())
    (tmp_path / "mirrors" / "0" / "0" / "refs" / "dag" / "tip.lock").touch()
    assert await branch.push(batch) == Pushed()
    assert deployed(host) == [1]
