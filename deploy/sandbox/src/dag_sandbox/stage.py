"""How the demo speaks: numbered steps with their times, wrapped to the reader's screen, plain in a CI log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dag_common.runtime.clock import monotonic

INDENT = 4
COLOURS = {"deployed": "green", "failed": "red"}


class Stage:
    """Writes to one console. `step` numbers and times what happens inside it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._steps = 0
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        """How long the show has been running."""
        return monotonic() - self._began

    def title(self, headline: str, text: str) -> None:
        """The first words."""
        self._console.print()
        self._console.print(Text(headline, style="bold cyan"))
        self._console.print(Text(text))

    @contextmanager
    def step(self, headline: str) -> Iterator[None]:
        """One numbered step; its time is told at its end."""
        self._steps += 1
        began = monotonic()
        self._console.print()
        self._console.print(Text.assemble((f"{self._steps}  ", "bold cyan"), (headline, "bold")))
        yield
        self._indented(Text(f"({monotonic() - began:.1f} s)", style="dim"))

    def say(self, text: str, *, style: str = "") -> None:
        """A sentence or two."""
        self._indented(Text(text, style=style))

    def command(self, line: str) -> None:
        """What one would type."""
        self._indented(Text.assemble(("$ ", "dim"), (line, "bold")))

    def output(self, text: str) -> None:
        """What a program answered, line by line as it came."""
        for line in text.rstrip().splitlines():
            self._indented(Text(line.expandtabs(4), style="dim"))

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Names and what they stand for."""
        table = Table.grid(padding=(0, 2))
        for name, value in rows:
            table.add_row(Text(name), Text(value, style="cyan", overflow="fold"))
        self._indented(table)

    def status(self, seconds: float, status: str, message: str) -> None:
        """One line of a deployment's stream."""
        table = Table.grid(padding=(0, 2))
        table.add_column(width=8, justify="right", style="dim")
        table.add_column(width=10)
        table.add_column()
        colour = COLOURS.get(status, "")
        table.add_row(f"+{seconds:.2f} s", Text(status, style=f"bold {colour}"), Text(message, style=colour))
        self._indented(table)

    def plain(self, text: str) -> None:
        """Text as it is, without wrapping or colour, to be copied."""
        self._console.out(text, highlight=False)

    def end(self, text: str) -> None:
        """The last words."""
        self._console.print()
        self._console.print(Text(text))

    def _indented(self, content: Text | Table) -> None:
        self._console.print(Padding(content, (0, 0, 0, INDENT), expand=False))
