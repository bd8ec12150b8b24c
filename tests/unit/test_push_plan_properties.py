"""Group commits in a real object database: whatever waits and whatever arrived, the chain is what one by one gives."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pygit2
from depth import trying
from examples import REQUESTED, requested
from git_examples import REQUESTED_AT, digest
from git_model import HostModel, MirrorModel
from hypothesis import assume, given
from hypothesis import strategies as st
from pygit2.enums import FileMode

from dag_common.contracts.events import ChartRef, DeploymentId, IacTarget
from dag_common.errors import Invalid
from dag_common.iac.tree import empty_tree, replace_directory, write_directory
from dag_pusher.domain.batch import Batch, WaitingChart
from dag_pusher.domain.message import read_trailers
from dag_pusher.domain.outcome import Pushed
from dag_pusher.domain.plan import Problem
from dag_pusher.git import IacBranch

OBJECTS = tempfile.TemporaryDirectory()
BRANCH = "main"
PATHS = ("web", "api", "web/nested", "deep/er/place", "README.md/below", "link/below", "../out", ".git/hooks")
"""A file and a link stand in the way of some, and some lead out of the repository."""

OLD = {"Chart.yaml": b"version: 1.0.0\n"}
NEW = {"Chart.yaml": b"version: 2.0.0\n", "templates/one.yaml": b""}
CONTENTS: tuple[dict[str, bytes] | Problem, ...] = (
    OLD,
    NEW,
    {"nested": b"a file where another chart has a directory"},
    {"a": b"", "a/b": b"both a file and a directory"},
    Problem("chart_unusable", "not a chart"),
)


def chart(position: int, path: str, content: dict[str, bytes] | Problem) -> WaitingChart:
    sent = content if isinstance(content, dict) else {}
    return WaitingChart(
        deployment_id=DeploymentId(f"00000000-0000-7000-8000-{position:012d}"),
        requested=requested(
            chart=ChartRef(sha256=digest(sent), size=1, name="podinfo", version="1.0.0"),
            iac=IacTarget(repository="iac", url=REQUESTED.iac.url, branch=BRANCH, path=path),
        ),
        requested_at=REQUESTED_AT,
        position=position,
        log_head="ef" * 32,
        files=content,
    )


CHARTS = st.lists(
    st.builds(chart, st.integers(1, 20), st.sampled_from(PATHS), st.sampled_from(CONTENTS)),
    unique_by=lambda each: each.position,
    min_size=1,
    max_size=7,
)
CROWDED = st.lists(st.tuples(st.sampled_from(PATHS[:3]), st.sampled_from([OLD, NEW])), min_size=1, max_size=6).map(
    lambda wanted: [chart(position, *each) for position, each in enumerate(wanted, start=1)]
)
"""Charts that get in each other's way, in the order of their positions."""


class Lane:
    """A branch, what the log knows of attempts, and who deals with it."""

    def __init__(self, *, empty: bool = False) -> None:
        self.host = HostModel(Path(OBJECTS.name))
        self.bases: list[str] = []
        if not empty:
            self.host.write(BRANCH, "docs", {"kept": b"by everybody"})
            self.host.clutter(BRANCH, "README.md", b"hello", FileMode.BLOB)
            self.host.clutter(BRANCH, "link", b"docs", FileMode.LINK)

    async def build(self, charts: Sequence[WaitingChart]) -> Batch:
        branch = self._branch()
        upstream = await branch.look()
        attempted = [dataclasses.replace(each, bases=tuple(self.bases)) for each in charts]
        self.bases.append(upstream.tip.commit if upstream.tip else "")
        return await branch.prepare(attempted, upstream)

    async def push(self, batch: Batch) -> None:
        assert await self._branch().push(batch) == Pushed()

    @property
    def root(self) -> str:
        tip = self.host.tip(BRANCH)
        return tip.tree if tip else empty_tree(self.host.repository)

    @property
    def landed(self) -> list[int]:
        found = [read_trailers(commit.message) for commit in self.host.commits(BRANCH)]
        return [trailers.position for trailers in found if trailers]

    def _branch(self) -> IacBranch:
        return IacBranch(MirrorModel(self.host, BRANCH, _let_through))  # type: ignore[arg-type]


async def _let_through(_before: str) -> str:
    return ""


def one_by_one(repository: pygit2.Repository, root: str, charts: Sequence[WaitingChart]) -> str:
    """The tree after each chart that can be used was put in its place, in the order of positions."""
    for each in sorted(charts, key=lambda each: each.position):
        if isinstance(each.files, Problem):
            continue
        try:
            root = replace_directory(repository, root, each.requested.iac.path, write_directory(repository, each.files))
        except Invalid:
            continue
    return root


@trying(60)
@given(CHARTS, st.booleans())
async def test_a_group_commit_leaves_the_tree_that_one_by_one_leaves(charts: list[WaitingChart], empty: bool) -> None:
    lane = Lane(empty=empty)
    expected = one_by_one(lane.host.repository, lane.root, charts)
    batch = await lane.build(charts)
    await lane.push(batch)
    assert lane.root == expected
    assert lane.landed == sorted(lane.landed)
    told = [each.deployment_id for each in batch.landed] + [each.candidate.deployment_id for each in batch.unusable]
    assert sorted(told) == sorted(each.deployment_id for each in charts)
    paths = {each.deployment_id: each.requested.iac.path for each in charts}
    for each in batch.landed:
        assert lane.host.directory(each.commit, paths[each.deployment_id]) == each.tree


@trying(60)
@given(CHARTS)
async def test_a_chart_that_cannot_be_used_changes_nothing_for_the_others(charts: list[WaitingChart]) -> None:
    together = await Lane().build(charts)
    bad = {each.candidate.deployment_id for each in together.unusable}
    alone = await Lane().build([each for each in charts if each.deployment_id not in bad])
    assert (alone.tip, alone.landed, alone.unusable) == (together.tip, together.landed, ())


@trying(60)
@given(CROWDED, st.lists(st.sampled_from(["built", "pushed", "raced"]), max_size=4))
async def test_whoever_takes_over_commits_nothing_twice_and_ends_in_the_same_tree(
    charts: list[WaitingChart], lives: list[str]
) -> None:
    lane = Lane()
    for number, end in enumerate(lives):
        batch = await lane.build(charts[: number + 2])
        if end == "raced":
            lane.host.write(BRANCH, "docs", {"kept": str(number).encode()})
        if end == "pushed":
            await lane.push(batch)
    expected = one_by_one(lane.host.repository, lane.root, charts)
    last = await lane.build(charts)
    await lane.push(last)
    assert len(set(lane.landed)) == len(lane.landed)
    assert lane.landed == sorted(lane.landed)
    assert lane.root == expected
    assume(not any(each.unchanged for each in last.landed))
    assert not (await lane.build(charts)).needs_push


async def test_a_chart_that_changed_nothing_is_not_committed_over_a_newer_one() -> None:
    lane = Lane()
    charts = [chart(1, "web", OLD), chart(2, "web", OLD), chart(3, "web", NEW)]
    await lane.push(await lane.build(charts))
    assert lane.landed == [1, 3]
    successor = await lane.build(charts)
    assert not successor.needs_push
