"""Answers by what they were made from, bounded by their size."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024


class AnswerCache:
    """Keeps the answers asked for last, at most `max_bytes` of them."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._answers: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def get(self, question: str, source: str) -> bytes | None:
        """The answer to a question about a source, if it is still here."""
        answer = self._answers.get((question, source))
        if answer is not None:
            self._answers.move_to_end((question, source))
        return answer

    def put(self, question: str, source: str, answer: bytes) -> bytes:
        """Keep an answer, and let go of those not asked for longest."""
        self._bytes += len(answer) - len(self._answers.pop((question, source), b""))
        self._answers[(question, source)] = answer
        while self._bytes > self._max_bytes:
            _, oldest = self._answers.popitem(last=False)
            self._bytes -= len(oldest)
        return answer
