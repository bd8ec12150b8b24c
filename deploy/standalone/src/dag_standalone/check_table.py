"""How findings are shown: a table for people, JSON lines for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dag_client.views import printable
from dag_standalone.check_findings import Finding

_PIPED_WIDTH = 160


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print them to standard output."""
    if as_json:
        for finding in findings:
            print(json.dumps(_plain(finding), ensure_ascii=False))  # noqa: T201 - output
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPED_WIDTH)
    console.print(_table(findings))
    console.print(_summary(findings))


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "subject": finding.subject,
        "question": finding.question,
        "target": finding.target,
        "fine": finding.fine,
        "warning": finding.warning,
        "told": finding.told,
        "remedy": finding.remedy,
    }


def _table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for fold in (False, True, True, True):
        table.add_column(overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for before, finding in pairwise((None, *findings)):
        if finding is not None:
            table.add_row(*_row(before, finding))
    return table


def _row(before: Finding | None, finding: Finding) -> tuple[Text, ...]:
    """What is as in the row before is not said again."""
    subject = "" if before and before.subject == finding.subject else finding.subject
    question = "" if not subject and before and before.question == finding.question else finding.question
    again = not question and before and before.target == finding.target
    target = f"{finding.target}: " if finding.target and not again else ""
    mark, colour = ("!", "yellow") if finding.warning else ("✓", "green") if finding.fine else ("✗", "red")
    told = Text.assemble((printable(target), "bold"), (printable(finding.told), colour if finding.remedy else ""))
    if finding.remedy:
        told.append(f"\n→ {printable(finding.remedy)}", style="default")
    return Text(mark, style=colour), Text(printable(subject), style="bold"), Text(printable(question)), told


def _summary(findings: Sequence[Finding]) -> Text:
    wrong, warnings = sum(not one.fine for one in findings), sum(one.warning for one in findings)
    are = f"{wrong} of {len(findings)} {'is' if wrong == 1 else 'are'} not fine" if wrong else ""
    told = are or (f"None of {len(findings)} is wrong" if warnings else f"All {len(findings)} are fine")
    looked_at = f"; {warnings} {'is' if warnings == 1 else 'are'} to be looked at" if warnings else ""
    return Text(f"{told}{looked_at}.", style="red" if wrong else "yellow" if warnings else "green")
