"""The plan of a group commit, against a tree that is a plain dictionary."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_common.contracts.events import DeploymentId
from dag_common.errors import Invalid, Refused
from dag_pusher.domain.plan import (
    AlreadyCommitted,
    Candidate,
    Commit,
    CommitFound,
    Problem,
    Step,
    Unchanged,
    Unusable,
    plan,
)

EMPTY = "{}"


def place(root: str, path: str, directory: str) -> str:
    """A tree is the JSON of path to content; some paths cannot be used."""
    if path == "link":
        raise Invalid("a symbolic link is in the way")
    if path == "frozen":
        raise Refused("frozen", "nothing is deployed here")
    return json.dumps(json.loads(root) | {path: directory}, sort_keys=True)


def candidate(position: int, *, path: str = "web", content: str | Problem = "v1", digest: str = "d") -> Candidate:
    return Candidate(DeploymentId(f"deployment-{position}"), position, path, digest, content)


def arrived_on(before: str, position: int, digest: str = "d") -> CommitFound:
    return CommitFound(f"commit-{position}", digest, position, "parent", before)


def planned(candidates: list[Candidate], found: Mapping[DeploymentId, CommitFound] | None = None) -> list[Step]:
    return plan(candidates, EMPTY, found or {}, place)


def test_each_deployment_is_a_commit_in_the_order_of_positions() -> None:
    steps = planned([candidate(3, content="v3"), candidate(1, content="v1"), candidate(2, content="v2")])
    assert [type(step) for step in steps] == [Commit] * 3
    assert [step.candidate.position for step in steps] == [1, 2, 3]


def test_the_same_chart_twice_is_one_commit() -> None:
    first, second = planned([candidate(1), candidate(2)])
    assert isinstance(first, Commit)
    assert isinstance(second, Unchanged)


def test_a_chart_that_comes_back_is_a_commit_again() -> None:
    steps = planned([candidate(1, content="v1"), candidate(2, content="v2"), candidate(3, content="v1")])
    assert [type(step) for step in steps] == [Commit] * 3


def test_a_commit_found_is_not_made_again_unless_it_holds_another_chart() -> None:
    id_ = DeploymentId("deployment-1")
    [found] = planned([candidate(1)], {id_: arrived_on(EMPTY, 1)})
    assert isinstance(found, AlreadyCommitted)
    [other] = planned([candidate(1)], {id_: arrived_on(EMPTY, 1, digest="another digest")})
    assert isinstance(other, Commit)


def test_what_changed_nothing_before_a_commit_found_is_not_committed_over_it() -> None:
    web_v1 = place(EMPTY, "web", "v1")
    later = {DeploymentId("deployment-3"): arrived_on(web_v1, 3)}
    twin, found = planned([candidate(2, content="v1"), candidate(3, content="v2")], later)
    assert twin == Unchanged(candidate(2, content="v1"), web_v1, "parent")
    assert isinstance(found, AlreadyCommitted)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (candidate(2, content=Problem("chart_missing", "gone")), "chart_missing"),
        (candidate(2, path="link"), "iac_path_unusable"),
        (candidate(2, path="frozen"), "frozen"),
    ],
)
def test_a_bad_deployment_fails_alone_and_says_why(bad: Candidate, reason: str) -> None:
    steps = planned([candidate(1, content="v1"), bad, candidate(3, content="v3")])
    assert [type(step) for step in steps] == [Commit, Unusable, Commit]
    [unusable] = [step for step in steps if isinstance(step, Unusable)]
    assert unusable.problem.reason == reason


CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.integers(1, 30),
        path=st.sampled_from(["web", "api", "link", "frozen"]),
        content=st.sampled_from(["v1", "v2", Problem("chart_missing", "gone")]),
    ),
    unique_by=lambda each: each.position,
)


@given(CANDIDATES, st.sets(st.integers(1, 30)))
def test_every_deployment_gets_one_step_and_the_chain_is_unbroken(
    candidates: list[Candidate], arrived: set[int]
) -> None:
    found = {each.deployment_id: arrived_on(EMPTY, each.position) for each in candidates if each.position in arrived}
    steps = planned(candidates, found)
    assert [step.candidate.position for step in steps] == sorted(each.position for each in candidates)
    root = EMPTY
    for step in steps:
        if isinstance(step, Commit):
            assert step.before == root != step.root
            root = step.root
        elif isinstance(step, Unchanged):
            assert step.root == root
        assert isinstance(step, AlreadyCommitted) == (step.candidate.deployment_id in found)


@given(CANDIDATES)
def test_the_end_of_the_chain_holds_the_latest_usable_chart_of_each_path(candidates: list[Candidate]) -> None:
    latest = {
        each.path: each.content
        for each in sorted(candidates, key=lambda each: each.position)
        if isinstance(each.content, str) and each.path in {"web", "api"}
    }
    commits = [step for step in planned(candidates) if isinstance(step, Commit)]
    assert json.loads(commits[-1].root if commits else EMPTY) == latest


@given(CANDIDATES)
def test_bad_deployments_change_nothing_for_the_others(candidates: list[Candidate]) -> None:
    usable = [step for step in planned(candidates) if not isinstance(step, Unusable)]
    assert planned([step.candidate for step in usable]) == usable
