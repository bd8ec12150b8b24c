"""The rules of a .helmignore file, exactly as Helm applies them (helm `pkg/ignore/rules.go`), its oddities included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from dag_client.errors import Misused
from dag_client.globs import BadPattern, Glob

DEFAULT_RULE = "templates/.?*"
"""Helm's own first rule: no dot files in templates."""


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: Glob | None
    whole_path: bool
    directories_only: bool
    negated: bool

    def ignores(self, path: PurePosixPath, *, directory: bool) -> bool:
        if self.directories_only and not directory:
            return self.negated
        name = str(path) if self.whole_path else path.name
        matches = self.pattern is not None and self.pattern.matches(name)
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
    try:
        Glob.parse(line)
    except BadPattern as error:
        raise Misused(f".helmignore: Helm does not take {line!r} for a pattern.") from error
    negated = line.startswith("!")
    text = line[1:] if negated else line
    directories_only = text.endswith("/")
    text = text.removesuffix("/")
    return _Rule(_glob(text.removeprefix("/")), "/" in text, directories_only, negated)


def _glob(text: str) -> Glob | None:
    """None where the slash that was taken off belonged to a backslash: Helm then finds that nothing matches."""
    try:
        return Glob.parse(text)
    except BadPattern:
        return None
