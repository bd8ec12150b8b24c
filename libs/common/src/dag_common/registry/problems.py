"""What is wrong with a registry, said so that an operator finds the place and knows what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` is 1-based, 0 where there is none; `path` reads `apps[2].environments[0].name`.

    `fatal`: the whole document could not be read, not only one entry of it. The text never quotes a value that
    could be a secret.
    """

    file: str
    line: int
    path: str
    message: str
    fatal: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint to add after an unknown name: the nearest known one, or all of them if they are few; else nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{near[0]}"?'
    if names and len(names) <= _FEW:
        return f"; known are {', '.join(names)}"
    return ""


_FEW = 8
