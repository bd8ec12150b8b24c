"""Strangers commit to the same branch while a deployment of ours is on its way; the verdict stays true."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flux_world import BEFORE, PATH, chart
from shared_repository_world import MonitorWorld, monitor_world

from dag_common.store.database import Database
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.lineage import Question
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded
from dag_monitor.git import Commits

LANE = ("iac", "main")


@pytest.fixture
async def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MonitorWorld]:
    monkeypatch.setenv("IAC_PASSWORD", "hunter2")
    async with monitor_world(database, tmp_path) as world:
        yield world


async def test_a_stranger_on_top_of_our_commit_that_leaves_our_chart_alone_changes_nothing(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        await world.host.commit("iac", {"README.md": b"somebody else"})
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Succeeded)
    assert verdict.evidence.revision == "1.2.3"


async def test_a_stranger_who_changes_our_chart_before_flux_saw_it_supersedes_it(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        foreign = await world.host.commit("iac", chart("9.9.9"))
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.commit) == ("", foreign)
    assert "a change from outside DAG" in verdict.message


async def test_a_stranger_who_keeps_our_version_on_other_content_is_no_success_of_ours(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        await world.host.commit("iac", {f"{PATH}/values.yaml": b"replicas: 9\n"})
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Superseded)
    assert verdict.by == ""


async def test_a_strangers_revert_of_our_commit_supersedes_it(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        await world.host.commit("iac", chart(BEFORE))
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Superseded)
    assert verdict.by == ""


async def test_a_branch_set_back_to_before_our_commit_fails_and_says_so(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        world.host.repository("iac").rewind(ours.bases[0])
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Failed)
    assert verdict.reason == "removed"
    assert "is not on branch main any more" in verdict.message


async def test_a_branch_rewritten_without_our_commit_fails_and_says_so(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        world.host.repository("iac").rewind(ours.bases[0])
        await world.host.commit("iac", {"README.md": b"history as somebody wished it"})
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Failed)
    assert verdict.reason == "removed"


async def test_a_commit_from_long_before_ours_is_waited_for(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        for name in ("one", "other"):
            await world.host.commit("iac", {name: b"somebody else"})
        ours = await world.push("1.2.3")
        verdict = await world.verdict(ours, lambda verdict: "flux resume source git" in verdict.message)
        assert isinstance(verdict, Progressing)
    assert isinstance(await world.verdict(ours), Succeeded)


async def test_without_our_commit_at_hand_a_commit_that_holds_the_same_tree_is_not_taken_for_a_later_one(
    world: MonitorWorld,
) -> None:
    """The chart may have been ours before, and another one's in between."""
    before = world.host.repository("iac").tip()
    commits = Commits(world.mirrors)
    await commits.look(LANE)
    await world.push("1.2.3")
    back = await world.push(BEFORE)
    assert back.pushed is not None
    question = Question(before, back.pushed.commit, PATH, back.pushed.tree, unchanged=False)
    assert await Commits(world.mirrors).relations(LANE, [question]) == [Relation.UNKNOWN]
    await commits.look(LANE)
    assert await commits.relations(LANE, [question]) == [Relation.ANCESTOR]


async def test_a_push_of_ours_to_another_path_does_not_hide_a_stranger_between(world: MonitorWorld) -> None:
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        await world.host.commit("iac", chart("9.9.9"))
        await world.push("1.0.0", path="apps/other")
    verdict = await world.verdict(ours)
    assert isinstance(verdict, Superseded)
    assert verdict.by == ""


async def test_pushes_of_ours_without_strangers_need_no_look_at_git(world: MonitorWorld) -> None:
    world.url = "http://127.0.0.1:1/iac.git"
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        await world.push("1.0.0", path="apps/other")
    assert isinstance(await world.verdict(ours), Succeeded)


async def test_while_the_git_host_is_away_a_strangers_commit_is_waited_for_in_words(world: MonitorWorld) -> None:
    reachable, world.url = world.url, "http://127.0.0.1:1/iac.git"
    async with world.flux_asleep():
        ours = await world.push("1.2.3")
        await world.host.commit("iac", {"README.md": b"somebody else"})
    verdict = await world.verdict(ours, lambda verdict: "it cannot be looked up" in verdict.message)
    assert isinstance(verdict, Progressing)
    assert "the git server at http://127.0.0.1:1/iac.git cannot be used" in verdict.message
    world.url = reachable
    assert isinstance(await world.verdict(ours), Succeeded)
