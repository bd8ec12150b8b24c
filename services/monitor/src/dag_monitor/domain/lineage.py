"""How a commit seen in a cluster stands to ours, decided from what git has of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dag_monitor.domain.expectation import Relation

SETTLED: Final = frozenset({Relation.OURS, Relation.DESCENDANT, Relation.REPLACED})
"""Answers that nothing pushed later changes."""


@dataclass(frozen=True, slots=True)
class Question:
    """How does `commit`, perhaps abbreviated, stand to `ours`, which left `tree` at `path`?

    `unchanged`: the tree was there before `ours`, so an older commit may hold it as well.
    """

    commit: str
    ours: str
    path: str
    tree: str
    unchanged: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A commit against ours: whether ours is part of it, whether it is part of ours, and its tree at our path."""

    after: bool
    before: bool
    tree: str


def relate(question: Question, seen: Place | None) -> Relation:
    """What the commit itself tells, whatever has become of the branch; `seen` is None if git has not both."""
    if seen is None:
        return Relation.UNKNOWN
    in_place = seen.tree == question.tree
    if seen.after:
        return Relation.DESCENDANT if in_place else Relation.REPLACED
    if in_place and (question.unchanged or not seen.before):
        return Relation.DESCENDANT
    return Relation.ANCESTOR if seen.before else Relation.UNKNOWN


def relate_to_branch(question: Question, seen: Place | None, tip: Place | None) -> Relation:
    """The same, knowing where the branch ends (None: it was deleted): a commit that is not on it any more is lost."""
    relation = relate(question, seen)
    on_branch = tip is not None and (tip.after or tip.tree == question.tree)
    return relation if on_branch or relation in SETTLED else Relation.REMOVED
