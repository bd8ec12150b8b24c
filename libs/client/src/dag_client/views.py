"""How progress is shown: a live view on a terminal, one dated line per change in a CI log, JSON lines for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dag_client.clock import monotonic, now
from dag_client.gateway import Update
from dag_client.progress import STAGES, Progress, Step, Target

COLOURS = {"deployed": "green", "failed": "red"}
TARGET_MARKS = {"succeeded": ("✓", "green"), "failed": ("✗", "red")}


class View(Protocol):
    """Where progress goes. `open` and `close` come once each, `show` in between."""

    def open(self, deployment_id: str, title: str) -> None:
        """The deployment was accepted under this id."""

    def show(self, update: Update) -> None:
        """One more update."""

    def note(self, text: str) -> None:
        """Something about the connection, not about the deployment."""

    def close(self, result: Mapping[str, Any]) -> None:
        """No more updates; `result` is what a program wants to know of the end."""


class Lines:
    """One dated line per change, never overwritten: what CI systems keep."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._progress = Progress(started=monotonic())

    def open(self, deployment_id: str, title: str) -> None:
        self._line("accepted", f"{title} (deployment {deployment_id})")

    def show(self, update: Update) -> None:
        progress = self._progress.after(update, monotonic())
        if progress is not self._progress and progress.now and update.type == "status":
            same = self._progress.now and self._progress.now.message == progress.now.message
            self._line(progress.now.status, "(as above)" if same else progress.now.message)
        if progress.commit != self._progress.commit:
            self._line("commit", f"{progress.commit} {progress.commit_url}".strip())
        self._progress = progress

    def note(self, text: str) -> None:
        self._line("note", text)

    def close(self, result: Mapping[str, Any]) -> None:
        """The last status line said it all."""

    def _line(self, word: str, text: str) -> None:
        stamp = now().isoformat(sep=" ", timespec="seconds")
        for number, part in enumerate(printable(text).splitlines() or [""]):
            print(f"{stamp}  {word if number == 0 else '':<10}  {part}", file=self._out, flush=True)


class JsonLines:
    """One JSON object a line on stdout, for programs; notes go to stderr."""

    def open(self, deployment_id: str, title: str) -> None:
        self._put({"type": "accepted", "deploymentId": deployment_id, "title": title})

    def show(self, update: Update) -> None:
        if update.type not in ("heartbeat", "message"):
            self._put({"type": update.type, "id": update.id, **update.data})

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201 - output

    def close(self, result: Mapping[str, Any]) -> None:
        self._put({"type": "end", **result})

    def _put(self, content: Mapping[str, Any]) -> None:
        print(json.dumps({"at": now().isoformat(), **content}), flush=True)  # noqa: T201 - output


class Screen:
    """A live view: the stages with their times, the targets below the one that waits for them."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._progress = Progress(started=monotonic())
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=self._console, refresh_per_second=10, get_renderable=self._render)

    def open(self, deployment_id: str, title: str) -> None:
        self._console.print(Text.assemble((title, "bold"), "  ", (deployment_id, "dim")))
        self._live.start()

    def show(self, update: Update) -> None:
        self._progress = self._progress.after(update, monotonic())

    def note(self, text: str) -> None:
        self._console.print(Text(printable(text), style="yellow"))

    def close(self, result: Mapping[str, Any]) -> None:  # noqa: ARG002 - the last row shows it
        self._live.stop()

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        steps = self._progress.steps
        for step, following in zip_longest(steps, steps[1:]):
            table.add_row(*self._row(step, following))
            for line in self._below(step):
                table.add_row("", "", "", line)
        return Group(table, self._ahead())

    def _row(self, step: Step, following: Step | None) -> tuple[RenderableType, ...]:
        colour = COLOURS.get(step.status, "")
        ended = step.status in COLOURS
        mark: RenderableType = Text("✗" if step.status == "failed" else "✓", style=colour or "green")
        if following is None and not ended:
            mark = self._spinner
        seconds = (following.since if following else monotonic()) - step.since
        took = Text("" if ended else f"{seconds:6.1f} s", style="dim")
        return mark, Text(step.status, style=colour or "bold"), took, Text(self._message(step), style=colour)

    def _message(self, step: Step) -> str:
        """What was said of a step; but its targets say it below, and of a failure the command's last words do."""
        targets = self._progress.targets.values()
        if step.status == "monitoring" and targets:
            return f"{sum(target.status == 'succeeded' for target in targets)} of {len(targets)} done"
        return "" if step.status == "failed" else printable(step.message)

    def _below(self, step: Step) -> list[Text]:
        if step.status == "pushed" and self._progress.commit:
            return [Text(self._progress.commit_url or self._progress.commit, style="dim", overflow="fold")]
        if step.status == "monitoring":
            return [self._target(target) for target in self._progress.targets.values()]
        return []

    def _target(self, target: Target) -> Text:
        mark, colour = TARGET_MARKS.get(target.status, ("·", "dim"))
        failed = self._progress.now is not None and self._progress.now.status == "failed"
        message = "" if failed else printable(target.message)
        return Text.assemble((mark, colour), " ", (printable(target.name), "cyan"), "  ", message)

    def _ahead(self) -> Text:
        step = self._progress.now
        if step is None or step.status not in STAGES[:-1]:
            return Text("")
        return Text("  then " + ", ".join(STAGES[STAGES.index(step.status) + 1 :]), style="dim")


def printable(text: str) -> str:
    """Text without control characters: what a cluster or git server says must not steer the reader's terminal."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)
