"""The rules of a .helmignore file, exactly as Helm applies them (helm `pkg/ignore/rules.go`), its oddities included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from dag_client.errors import Misused

DEFAULT_RULE = "templates/.?*"
"""Helm's own first rule: no dot files in templates."""


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    whole_path: bool
    directories_only: bool
    negated: bool

    def ignores(self, path: PurePosixPath, *, directory: bool) -> bool:
        if self.directories_only and not directory:
            return self.negated
        matches = self.pattern.fullmatch(str(path) if self.whole_path else path.name) is not None
        return matches is not self.negated


class Rules:
    """Which files of a chart stay out of its package."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        cleaned = (line.strip() for line in (DEFAULT_RULE, *lines))
        self._rules = tuple(_parse(line) for line in cleaned if line and not line.startswith("#"))

    def ignores(self, path: PurePosixPath, *, directory: bool) -> bool:
        """Whether a path (relative to the chart) stays out; everything below an ignored directory does too.

        A `!` rule ignores whatever it does not match, as in Helm; it does not bring files back as in git.
        """
        return any(rule.ignores(path, directory=directory) for rule in self._rules)


def _parse(line: str) -> _Rule:
    if "**" in line:
        raise Misused(f".helmignore: {line!r} uses a double star (**), which Helm does not support.")
    negated = line.startswith("!")
    text = line[1:] if negated else line
    directories_only = text.endswith("/")
    text = text.removesuffix("/")
    return _Rule(_glob(text.removeprefix("/")), "/" in text, directories_only, negated)


def _glob(text: str) -> re.Pattern[str]:
    """Go's filepath.Match as a regular expression: `*` and `?` do not cross a slash."""
    pieces = re.findall(r"\\.|\[\^?\]?[^\]]*\]|.", text, flags=re.DOTALL)
    try:
        return re.compile("".join(_piece(piece) for piece in pieces), flags=re.DOTALL)
    except re.error as error:
        raise Misused(f".helmignore: {text!r} is not a valid pattern ({error}).") from error


def _piece(piece: str) -> str:
    if piece == "*":
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if piece.startswith("[") and len(piece) > 1:
        return piece
    return re.escape(piece[1:] if piece.startswith("\\") and len(piece) > 1 else piece)
