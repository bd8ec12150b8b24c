"""Patterns of file names as Go reads them (go `path/filepath/match.go`): what is one, and what it matches.

By characters: in Go a star may end amid the bytes of one, and a `?` take what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class BadPattern(ValueError):
    """Go refuses this pattern, wherever in it the fault is."""


@dataclass(frozen=True, slots=True)
class Glob:
    """Chunks of single letters; before each but the first there is a star, before the first there may be one."""

    chunks: tuple[tuple[_Letter, ...], ...]

    @classmethod
    def parse(cls, pattern: str) -> Glob:
        """The pattern's chunks. Raises `BadPattern`."""
        chunks: list[list[_Letter]] = [[]]
        letters = _Letters(pattern)
        for letter in letters:
            if letter == "*":
                chunks.append([])
            else:
                chunks[-1].append(_letter(letter, letters))
        return cls(tuple(tuple(chunk) for chunk in chunks))

    def matches(self, name: str) -> bool:
        """Whether all of `name` fits. As in Go, a star ends where what follows it fits first, and never at a slash."""
        first, *others = self.chunks
        if not others:
            return _fits(first, name) and len(first) == len(name)
        if not _fits(first, name):
            return False
        rest = name[len(first) :]
        for number, chunk in enumerate(others, 1):
            found = _after_star(chunk, rest, last=number == len(others))
            if found is None:
                return False
            rest = found
        return True


@dataclass(frozen=True, slots=True)
class _Letter:
    """One letter within any of the ranges, or outside of all; a slash counts as any other."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def fits(self, letter: str) -> bool:
        return any(low <= letter <= high for low, high in self.ranges) is not self.negated


_ANY_BUT_SLASH = _Letter((("/", "/"),), negated=True)


class _Letters:
    """A pattern's letters, one after the other; whoever needs one where there is none has a bad pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def __iter__(self) -> Iterator[str]:
        while self._at < len(self._pattern):
            yield self.take()

    @property
    def next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def take(self) -> str:
        if not self.next:
            raise BadPattern
        self._at += 1
        return self._pattern[self._at - 1]


def _letter(letter: str, letters: _Letters) -> _Letter:
    if letter == "?":
        return _ANY_BUT_SLASH
    if letter == "[":
        return _class(letters)
    if letter == "\\":
        letter = letters.take()
    return _Letter(((letter, letter),))


def _class(letters: _Letters) -> _Letter:
    negated = letters.next == "^"
    if negated:
        letters.take()
    ranges: list[tuple[str, str]] = []
    while not ranges or letters.next != "]":
        low = high = _bound(letters)
        if letters.next == "-":
            letters.take()
            high = _bound(letters)
        ranges.append((low, high))
    letters.take()
    return _Letter(tuple(ranges), negated)


def _bound(letters: _Letters) -> str:
    """One end of a range: neither `-` nor `]`, unless escaped."""
    letter = letters.take()
    if letter in "-]":
        raise BadPattern
    return letters.take() if letter == "\\" else letter


def _fits(chunk: tuple[_Letter, ...], name: str) -> bool:
    return len(chunk) <= len(name) and all(one.fits(letter) for one, letter in zip(chunk, name, strict=False))


def _after_star(chunk: tuple[_Letter, ...], name: str, *, last: bool) -> str | None:
    """What follows the first place where the chunk fits, which is the end if it is the last chunk."""
    for start in range(name.find("/") + 1 or len(name) + 1):
        rest = name[start:]
        if _fits(chunk, rest) and not (last and len(chunk) < len(rest)):
            return rest[len(chunk) :]
    return None
