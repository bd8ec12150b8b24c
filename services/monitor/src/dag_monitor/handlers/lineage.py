"""How commits seen in clusters stand to ours: asked in the background, once for all rollouts that want to know."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from dag_common.contracts.events import ChartPushed
from dag_common.errors import DagError
from dag_common.runtime.clock import monotonic
from dag_monitor.domain.expectation import Relation
from dag_monitor.domain.lineage import SETTLED, Question

log = structlog.get_logger()

Lane = tuple[str, str]
"""An IaC repository by its registry name, and a branch of it."""

AGAIN_SECONDS: Final = 60.0
"""After which an answer that may change is looked at again; a branch has lost a commit that is missing for so long."""

RETRY_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 60.0
"""What one look may take; a first one that takes longer goes on by itself and is there for the next."""

REMEMBERED: Final = 20_000


class Commits(Protocol):
    """Local copies of IaC repositories."""

    async def look(self, lane: Lane) -> None:
        """See where the branch ends now."""

    async def relations(self, lane: Lane, questions: Sequence[Question]) -> list[Relation]:
        """The answers as of the last look, in order."""


@dataclass(slots=True)
class _Reply:
    """The best answer so far, why there is no better one, and when to ask again."""

    relation: Relation
    doubt: str
    since: float
    due: float
    looked_up: bool = False


class Lineage:
    """Never waits for a git host: it tells what is known, and wakes who asked when more is."""

    def __init__(
        self,
        commits: Commits,
        *,
        again: float = AGAIN_SECONDS,
        retry: float = RETRY_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._commits = commits
        self._again = again
        self._retry = retry
        self._look_seconds = look_seconds
        self._replies: dict[tuple[Lane, Question], _Reply] = {}
        self._asked: dict[Lane, dict[Question, set[asyncio.Event]]] = {}
        self._tasks: dict[Lane, asyncio.Task[None]] = {}
        self._looked: dict[Lane, float] = {}

    def relations(
        self, pushed: ChartPushed, known: Mapping[str, Relation], changed: asyncio.Event
    ) -> tuple[dict[str, Relation], dict[str, str]]:
        """How commits stand to the pushed one, given what the log knows of them, and why that is not known of some.

        `changed` is set when an answer comes later. What the log holds for an ancestor is looked at again after a
        while: somebody may have rewritten the branch.
        """
        told, doubts = {}, {}
        for commit, relation in known.items():
            question = Question(commit, pushed.commit, pushed.path, pushed.tree, pushed.unchanged)
            reply = self._reply((pushed.repository, pushed.branch), question, relation, changed)
            told[commit] = reply.relation
            if reply.relation is Relation.UNKNOWN:
                doubts[commit] = reply.doubt
        return told, doubts

    async def close(self) -> None:
        """Ask nothing more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reply(self, lane: Lane, question: Question, known: Relation, changed: asyncio.Event) -> _Reply:
        now = monotonic()
        if len(self._replies) >= REMEMBERED and not self._tasks:
            self._replies.clear()
        first = now if known is Relation.UNKNOWN else now + self._again
        doubt = "it is being looked up in the IaC repository"
        reply = self._replies.setdefault((lane, question), _Reply(known, doubt, now, first))
        if reply.due <= now:
            self._asked.setdefault(lane, {}).setdefault(question, set()).add(changed)
            if lane not in self._tasks:
                self._tasks[lane] = asyncio.create_task(self._answer(lane), name=f"lineage of {lane}")
        return reply

    async def _answer(self, lane: Lane) -> None:
        try:
            while asked := self._asked.pop(lane, {}):
                await self._examine(lane, list(asked))
                for changed in {each for waiting in asked.values() for each in waiting}:
                    changed.set()
        finally:
            del self._tasks[lane]

    async def _examine(self, lane: Lane, questions: Sequence[Question]) -> None:
        try:
            async with asyncio.timeout(self._look_seconds):
                found = await self._commits.relations(lane, questions)
                if self._outdated(lane, questions, found):
                    await self._commits.look(lane)
                    self._looked[lane] = monotonic()
                    found = await self._commits.relations(lane, questions)
        except TimeoutError:
            self._put_off(lane, questions, f"the git host has not answered within {self._look_seconds:.0f} s")
        except DagError as exc:
            self._put_off(lane, questions, exc.message)
        except Exception as exc:
            log.exception("lineage_not_read", repository=lane[0], branch=lane[1])
            self._put_off(lane, questions, f"DAG met an error of its own ({type(exc).__name__})")
        else:
            for question, relation in zip(questions, found, strict=True):
                self._take(lane, question, relation)

    def _outdated(self, lane: Lane, questions: Iterable[Question], found: Iterable[Relation]) -> bool:
        """Whether a look may tell more: of a commit that was not looked up yet always, else if the last is long ago."""
        open_ = [question for question, relation in zip(questions, found, strict=True) if relation not in SETTLED]
        replies = [self._replies[lane, question] for question in open_]
        new = any(reply.relation is Relation.UNKNOWN and not reply.looked_up for reply in replies)
        stale = monotonic() - self._looked.get(lane, -math.inf) >= self._again
        return new or (bool(replies) and stale)

    def _take(self, lane: Lane, question: Question, relation: Relation) -> None:
        reply, now = self._replies[lane, question], monotonic()
        reply.looked_up = True
        early = relation is Relation.REMOVED and now - reply.since < self._again
        if relation is not Relation.UNKNOWN and not early:
            reply.relation = relation
        reply.due = math.inf if reply.relation in SETTLED else now + self._again
        reply.doubt = f"it is not on branch {lane[1]} of the IaC repository {lane[0]}, as far as its git host tells"

    def _put_off(self, lane: Lane, questions: Iterable[Question], why: str) -> None:
        for question in questions:
            reply = self._replies[lane, question]
            reply.due = monotonic() + self._retry
            reply.doubt = f"it cannot be looked up: {why}"
        log.warning("lineage_unknown", repository=lane[0], branch=lane[1], reason=why)
