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
        "fine": finding.fine,
        "told": finding.told,
        "remedy": finding.remedy,
    }


def _table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for fold in (False, True, True, True):
        table.add_column(overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for before, finding in pairwise((None, *findings)):
        if finding is not None:
            again = before is not None and before.subject == finding.subject
            table.add_row(*_row(finding, "" if again else finding.subject))
    return table


def _row(finding: Finding, subject: str) -> tuple[Text, ...]:
    colour = "green" if finding.fine else "red"
    told = Text(printable(finding.told), style="" if finding.fine else colour)
    if not finding.fine:
        told.append(f"\n→ {printable(finding.remedy)}", style="default")
    mark = Text("✓" if finding.fine else "✗", style=colour)
    return mark, Text(printable(subject), style="bold"), Text(printable(finding.question)), told


def _summary(findings: Sequence[Finding]) -> Text:
    wrong = sum(not finding.fine for finding in findings)
    if not wrong:
        return Text(f"All {len(findings)} are fine.", style="green")
    return Text(f"{wrong} of {len(findings)} {'is' if wrong == 1 else 'are'} not fine.", style="red")
