"""How commits stand to ours: decided from git, answered from the log where it knows, asked once for all rollouts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from conditions import until
from examples import PUSHED, fresh_id
from hypothesis import given
from hypothesis import strategies as st

from dag_common.contracts.events import ChartPushed
from dag_common.domain.deployment import Deployment
from dag_common.errors import Unavailable
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.lineage import SETTLED, Place, Question, relate, relate_to_branch
from dag_monitor.domain.pushes import Push, relations_after
from dag_monitor.handlers.lineage import Lane, Lineage

OURS, THEIRS, OTHER = "a" * 40, "b" * 40, "c" * 40
ASKED = Question(THEIRS, OURS, "apps/podinfo", "our tree", unchanged=False)
UNCHANGED = Question(THEIRS, OURS, "apps/podinfo", "our tree", unchanged=True)
ON_TOP = Place(after=True, before=False, tree="our tree")
ON_TOP_WITH_ANOTHER = Place(after=True, before=False, tree="another")
BEFORE = Place(after=False, before=True, tree="another")
BEFORE_WITH_OUR_TREE = Place(after=False, before=True, tree="our tree")
APART = Place(after=False, before=False, tree="another")
REBASED = Place(after=False, before=False, tree="our tree")


@pytest.mark.parametrize(
    ("question", "seen", "tip", "relation"),
    [
        (ASKED, ON_TOP, ON_TOP, Relation.DESCENDANT),
        (ASKED, ON_TOP, ON_TOP_WITH_ANOTHER, Relation.DESCENDANT),
        (ASKED, ON_TOP_WITH_ANOTHER, ON_TOP, Relation.REPLACED),
        (ASKED, ON_TOP_WITH_ANOTHER, None, Relation.REPLACED),
        (ASKED, BEFORE, ON_TOP, Relation.ANCESTOR),
        (ASKED, BEFORE_WITH_OUR_TREE, ON_TOP, Relation.ANCESTOR),
        (UNCHANGED, BEFORE_WITH_OUR_TREE, ON_TOP, Relation.DESCENDANT),
        (UNCHANGED, BEFORE, ON_TOP, Relation.ANCESTOR),
        (ASKED, BEFORE, REBASED, Relation.ANCESTOR),
        (ASKED, REBASED, REBASED, Relation.DESCENDANT),
        (ASKED, BEFORE, BEFORE, Relation.REMOVED),
        (ASKED, APART, APART, Relation.REMOVED),
        (ASKED, None, APART, Relation.REMOVED),
        (ASKED, BEFORE, None, Relation.REMOVED),
        (ASKED, APART, ON_TOP, Relation.UNKNOWN),
        (ASKED, None, ON_TOP, Relation.UNKNOWN),
    ],
)
def test_a_commit_stands_to_ours_as_git_has_both(
    question: Question, seen: Place | None, tip: Place | None, relation: Relation
) -> None:
    assert relate_to_branch(question, seen, tip) is relation


PLACES = st.builds(Place, after=st.booleans(), before=st.booleans(), tree=st.sampled_from(["our tree", "another", ""]))


@given(st.sampled_from([ASKED, UNCHANGED]), st.none() | PLACES, st.none() | PLACES)
def test_a_settled_answer_is_the_same_wherever_the_branch_ends(
    question: Question, seen: Place | None, tip: Place | None
) -> None:
    alone = relate(question, seen)
    if alone in SETTLED:
        assert relate_to_branch(question, seen, tip) is alone
    else:
        assert relate_to_branch(question, seen, tip) in (alone, Relation.REMOVED)


def deployment(*, bases: tuple[str, ...] = ("base",)) -> Deployment:
    return Deployment(id=fresh_id(), pushed=our_push(), pushed_position=10, bases=bases)


def our_push(**changes: Any) -> ChartPushed:
    return msgspec.structs.replace(PUSHED, **({"commit": OURS, "tree": "our tree"} | changes))


def push(commit: str, base: str | None, *, path: str = "apps/other", tree: str = "their tree") -> Push:
    return Push(11, "0199-theirs", our_push(commit=commit, path=path, tree=tree), base)


OURS_AGAIN = {"path": "apps/podinfo", "tree": "our tree"}
INSTEAD = {"path": "apps/podinfo", "tree": "another"}


@pytest.mark.parametrize(
    ("after", "relations"),
    [
        ([push(THEIRS, OURS)], {THEIRS: Relation.DESCENDANT}),
        ([push(THEIRS, "base")], {THEIRS: Relation.DESCENDANT}),
        ([push(THEIRS, "a stranger's")], {}),
        ([push(THEIRS, None)], {}),
        ([push(THEIRS, OURS, path="apps/podinfo/charts/x")], {}),
        ([push(THEIRS, OURS, **INSTEAD), push(OTHER, THEIRS)], dict.fromkeys([THEIRS, OTHER], Relation.REPLACED)),
        ([push(THEIRS, "a stranger's", **INSTEAD)], {THEIRS: Relation.REPLACED}),
        ([push(THEIRS, "a stranger's", **INSTEAD), push(OTHER, "another's")], {THEIRS: Relation.REPLACED}),
        ([push(THEIRS, OURS, **INSTEAD), push(OTHER, THEIRS, **OURS_AGAIN)],
         {THEIRS: Relation.REPLACED, OTHER: Relation.DESCENDANT}),
        ([push(THEIRS, "a stranger's"), push(OTHER, THEIRS, **OURS_AGAIN)], {OTHER: Relation.DESCENDANT}),
    ],
)  # fmt: skip
def test_the_log_answers_for_our_own_pushes_as_long_as_no_stranger_came_between(
    after: list[Push], relations: Mapping[str, Relation]
) -> None:
    assert relations_after(deployment(), our_push(), after) == relations


def test_a_push_of_ours_that_took_two_attempts_is_in_no_batch_with_another() -> None:
    """What arrived may be what the first attempt sent; a stranger's commit may lie between it and the second's base."""
    assert relations_after(deployment(bases=("base", "base2")), our_push(), [push(THEIRS, "base2")]) == {}


class Repositories:
    """Local copies in which the answers appear with a look; the host of a lane answers when it is let go."""

    def __init__(self, *answers: Relation) -> None:
        self.answers = list(answers)
        self.looks: list[Lane] = []
        self.asked: list[Sequence[Question]] = []
        self.open: dict[Lane, asyncio.Event] = {}
        self.away = ""

    async def look(self, lane: Lane) -> None:
        self.looks.append(lane)
        if lane in self.open:
            await self.open[lane].wait()
        if self.away:
            raise Unavailable(self.away)

    async def relations(self, lane: Lane, questions: Sequence[Question]) -> list[Relation]:
        self.asked.append(questions)
        looks = self.looks.count(lane)
        answer = self.answers[min(looks, len(self.answers)) - 1] if looks else Relation.UNKNOWN
        return [answer] * len(questions)


LANE = (PUSHED.repository, PUSHED.branch)
UNKNOWN = {THEIRS: Relation.UNKNOWN}


async def answered(lineage: Lineage, known: Mapping[str, Relation]) -> tuple[dict[str, Relation], dict[str, str]]:
    changed = asyncio.Event()
    lineage.relations(our_push(), known, changed)
    async with asyncio.timeout(10):
        await changed.wait()
    return lineage.relations(our_push(), known, changed)


async def test_an_answer_is_not_waited_for_and_wakes_who_asked() -> None:
    lineage, changed = Lineage(Repositories(Relation.DESCENDANT)), asyncio.Event()
    told, doubts = lineage.relations(our_push(), UNKNOWN, changed)
    assert (told, doubts) == (UNKNOWN, {THEIRS: "it is being looked up in the IaC repository"})
    async with asyncio.timeout(10):
        await changed.wait()
    assert lineage.relations(our_push(), UNKNOWN, changed) == ({THEIRS: Relation.DESCENDANT}, {})


async def test_many_rollouts_that_see_one_strange_commit_look_once() -> None:
    repositories = Repositories(Relation.DESCENDANT)
    lineage, events = Lineage(repositories), [asyncio.Event() for _ in range(50)]
    pushes = [our_push(commit=f"{place:040x}") for place in range(50)]
    for pushed, changed in zip(pushes, events, strict=True):
        lineage.relations(pushed, UNKNOWN, changed)
    async with asyncio.timeout(10):
        await asyncio.gather(*(changed.wait() for changed in events))
    assert repositories.looks == [LANE]


async def test_a_silent_git_host_holds_up_no_other_repository_and_is_given_up_in_bounded_time() -> None:
    repositories = Repositories(Relation.DESCENDANT)
    repositories.open[LANE] = asyncio.Event()
    lineage, silent, fine = Lineage(repositories, look_seconds=0.2), asyncio.Event(), asyncio.Event()
    lineage.relations(our_push(), UNKNOWN, silent)
    lineage.relations(our_push(repository="other"), UNKNOWN, fine)
    async with asyncio.timeout(10):
        await fine.wait()
        await silent.wait()
    told, doubts = lineage.relations(our_push(), UNKNOWN, silent)
    assert told == UNKNOWN
    assert "the git host has not answered within" in doubts[THEIRS]


async def test_a_git_host_that_is_away_is_told_in_its_words() -> None:
    repositories = Repositories(Relation.DESCENDANT)
    repositories.away = "the git server at https://git.example.com/iac.git cannot be used: refused"
    told, doubts = await answered(Lineage(repositories), UNKNOWN)
    assert (told, doubts) == (UNKNOWN, {THEIRS: f"it cannot be looked up: {repositories.away}"})


async def test_a_bug_in_the_room_of_git_is_told_by_its_type_and_asked_past() -> None:
    class Broken(Repositories):
        async def look(self, lane: Lane) -> None:
            raise RuntimeError("token=hunter2")

    _, doubts = await answered(Lineage(Broken()), UNKNOWN)
    assert doubts == {THEIRS: "it cannot be looked up: DAG met an error of its own (RuntimeError)"}


async def test_a_lost_commit_is_believed_lost_only_if_it_stays_so() -> None:
    """A replica of the git host may lag behind the one that took the push."""
    told, _ = await answered(Lineage(Repositories(Relation.REMOVED), again=60), UNKNOWN)
    assert told == UNKNOWN
    again = Lineage(Repositories(Relation.REMOVED), again=0.01)
    await answered(again, UNKNOWN)
    await until(lambda: again.relations(our_push(), UNKNOWN, asyncio.Event())[0] == {THEIRS: Relation.REMOVED})


async def test_an_ancestor_of_the_log_is_looked_at_again_after_a_while_and_not_before() -> None:
    ancestor = {THEIRS: Relation.ANCESTOR}
    repositories = Repositories(Relation.REMOVED)
    patient = Lineage(repositories, again=60)
    assert patient.relations(our_push(), ancestor, asyncio.Event()) == (ancestor, {})
    assert repositories.asked == []
    hasty = Lineage(repositories, again=0.01)
    await until(lambda: hasty.relations(our_push(), ancestor, asyncio.Event())[0] == {THEIRS: Relation.REMOVED})


async def test_each_strange_commit_is_worth_a_look_of_its_own() -> None:
    """The branch may have moved to it after the look before."""
    repositories = Repositories(Relation.ANCESTOR)
    lineage = Lineage(repositories, again=60)
    for commit in (THEIRS, OTHER):
        told, _ = await answered(lineage, {commit: Relation.UNKNOWN})
        assert told == {commit: Relation.ANCESTOR}
    assert repositories.looks == [LANE, LANE]


async def test_what_is_settled_is_never_asked_again() -> None:
    repositories = Repositories(Relation.REPLACED)
    lineage = Lineage(repositories, again=0.0)
    await answered(lineage, UNKNOWN)
    for _ in range(3):
        assert lineage.relations(our_push(), UNKNOWN, asyncio.Event())[0] == {THEIRS: Relation.REPLACED}
    assert repositories.looks == [LANE]
    await lineage.close()
