"""Commits that clusters were seen at, looked up in read-only mirrors of IaC repositories."""

from __future__ import annotations

from collections.abc import Sequence

import pygit2

from dag_common.errors import Invalid
from dag_common.iac.damage import undamaged
from dag_common.iac.mirror import Tip
from dag_common.iac.mirrors import Mirrors
from dag_common.iac.tree import find_directory
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.lineage import Place, Question, relate, relate_to_branch

Lane = tuple[str, str]
"""An IaC repository by its registry name, and a branch of it."""


class Commits:
    """Answers from local copies; only `look` asks a git host."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._tips: dict[Lane, Tip | None] = {}

    async def look(self, lane: Lane) -> None:
        """See where the branch ends now. Raises `Unavailable`, and `NotFound` if the registry lost the repository."""
        self._tips[lane] = await self._mirrors.of(*lane).fetch()

    async def relations(self, lane: Lane, questions: Sequence[Question]) -> list[Relation]:
        """The answers as of the last look, in order. Raises as `look` does."""
        return await self._mirrors.of(*lane).use(lambda copy: [self._relation(copy, lane, each) for each in questions])

    def _relation(self, copy: pygit2.Repository, lane: Lane, question: Question) -> Relation:
        seen = _place(copy, question.commit, question)
        if lane not in self._tips:
            return relate(question, seen)
        tip = self._tips[lane]
        return relate_to_branch(question, seen, None if tip is None else _standing(copy, tip.commit, question))


def _place(copy: pygit2.Repository, commit: str, question: Question) -> Place | None:
    """None if the copy lacks the commit or ours: without both nothing is known of their order."""
    found = _commit(copy, commit)
    if found is None or _commit(copy, question.ours) is None:
        return None
    return _standing(copy, str(found.id), question)


def _standing(copy: pygit2.Repository, commit: str, question: Question) -> Place:
    known = _commit(copy, question.ours) is not None
    with undamaged():
        after = known and (commit == question.ours or copy.descendant_of(commit, question.ours))
        before = known and not after and copy.descendant_of(question.ours, commit)
        root = copy[commit].peel(pygit2.Commit).tree.id
    return Place(after, before, _tree(copy, str(root), question.path))


def _commit(copy: pygit2.Repository, commit: str) -> pygit2.Commit | None:
    """A commit by its id, perhaps abbreviated; None if it is not here, or what is here is none."""
    try:
        return copy[commit].peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        return None


def _tree(copy: pygit2.Repository, root: str, path: str) -> str:
    """Empty if no directory is there: whatever else is, it is not our chart."""
    try:
        return find_directory(copy, root, path) or ""
    except Invalid:
        return ""
