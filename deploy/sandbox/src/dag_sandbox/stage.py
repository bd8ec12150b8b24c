"""How the demo speaks: numbered steps with their times, wrapped to the reader's screen, plain in a CI log."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from dag_common.runtime.clock import monotonic

INDENT = " " * 3
WIDEST = 100
STATUS_COLUMN = 24
COLOURS = {"deployed": "green", "failed": "red"}


class Unheard(Exception):
    """Whoever read standard output closed it: end quietly."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the interpreter from within a task."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Unheard


class Stage:
    """Writes to one console. `step` numbers and times what happens inside it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _Console(highlight=False)
        self._steps = 0
        self._began = monotonic()
        self._last_message = ""

    @property
    def _width(self) -> int:
        return min(self._console.width, WIDEST)

    @property
    def seconds(self) -> float:
        """How long the show has been running."""
        return monotonic() - self._began

    def title(self, headline: str, text: str) -> None:
        """The first words."""
        self._line("")
        self._line(headline, "bold cyan")
        self._wrapped(text, "")

    @contextmanager
    def step(self, headline: str) -> Iterator[None]:
        """One numbered step; its time is told at its end."""
        self._steps += 1
        began = monotonic()
        self._line("")
        self._print(Text.assemble((f"{self._steps}  ", "bold cyan"), (headline, "bold")))
        yield
        self._line(f"{INDENT}({monotonic() - began:.1f} s)", "dim")

    def say(self, text: str, *, style: str = "") -> None:
        """A sentence or two."""
        self._wrapped(text, INDENT, style)

    def command(self, line: str) -> None:
        """What one would type, on one line however long, so that it can be copied."""
        self._print(Text.assemble(INDENT, ("$ ", "dim"), (line, "bold")))

    def output(self, text: str) -> None:
        """What a program answered, line by line as it came."""
        for line in text.rstrip().splitlines():
            self._line(f"{INDENT}{line.expandtabs(4)}".rstrip(), "dim")

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Names and what they stand for."""
        rows = tuple(rows)
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self._print(Text.assemble(f"{INDENT}{name:<{width}}  ", (value, "cyan")))

    def status(self, seconds: float, status: str, message: str) -> None:
        """One line of a deployment's stream; what was just said is not said again."""
        said = "(as above)" if message == self._last_message else message
        self._last_message = message
        first, *rest = _wrap(said, max(20, self._width - STATUS_COLUMN)) or [""]
        colour = COLOURS.get(status, "")
        stamp = f"{INDENT}{f'+{seconds:.2f} s':>8}  "
        self._print(Text.assemble((stamp, "dim"), (f"{status:<11}", f"bold {colour}"), (first, colour)))
        for line in rest:
            self._line(f"{'':{STATUS_COLUMN}}{line}", colour)

    def plain(self, text: str) -> None:
        """Text as it is, without wrapping or colour, to be copied."""
        self._console.out(text, highlight=False)

    def end(self, text: str) -> None:
        """The last words."""
        self._line("")
        self._wrapped(text, "")

    def _wrapped(self, text: str, indent: str, style: str = "") -> None:
        for line in _wrap(text, self._width - len(indent)):
            self._line(indent + line, style)

    def _line(self, text: str, style: str = "") -> None:
        self._print(Text(text, style=style))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _wrap(text: str, width: int) -> list[str]:
    """Lines broken at spaces only: names and addresses stay whole."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
