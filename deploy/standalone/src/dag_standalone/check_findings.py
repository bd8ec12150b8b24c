"""What `dag check` found: one row for each question, with what to do where the answer is not fine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from dag_common.errors import DagError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was asked about what, and what came of it; `remedy` says what to do, and is empty if nothing is to be done.

    A `warning` is about what may be as it should be: only people can tell. `target` is the id of the one it is about,
    if it is about one of an environment's. No text of it holds a secret.
    """

    subject: str
    question: str
    told: str
    remedy: str = ""
    warning: bool = False
    target: str = ""

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong for sure."""
        return self.warning or not self.remedy


@dataclass(frozen=True, slots=True)
class Question:
    """Something to find out within so many seconds, and what to do if that fails; `remedies`: by error, if another."""

    subject: str
    question: str
    remedy: str
    seconds: float
    remedies: Mapping[type[DagError], str] = field(default_factory=dict)

    async def ask(self, answer: Awaitable[str]) -> Finding:
        """The answer as a row; what DAG's own code raises, and silence, are rows too."""
        try:
            async with asyncio.timeout(self.seconds):
                return Finding(self.subject, self.question, await answer)
        except DagError as exc:
            remedy = next((self.remedies[kind] for kind in self.remedies if isinstance(exc, kind)), self.remedy)
            return Finding(self.subject, self.question, exc.message, remedy)
        except TimeoutError:
            return self.failed(f"no answer within {self.seconds:g} s")

    def failed(self, told: str) -> Finding:
        """The row of a question that went wrong."""
        return Finding(self.subject, self.question, told, self.remedy)
