"""One deployment as a page of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dag_client.views import COLOURS, printable


def described(deployment: Mapping[str, Any]) -> RenderableType:
    """What `dag status` shows: the verdict first, then where things are, then how it came about."""
    status = str(deployment.get("status", "unknown"))
    head = Text.assemble((status, f"bold {COLOURS.get(status, 'cyan')}"), "  ", _text(deployment.get("message")))
    return Group(head, Text(""), _facts(deployment), Text(""), _history(deployment.get("history") or ()))


def _facts(deployment: Mapping[str, Any]) -> Table:
    pushed = deployment.get("pushed") or {}
    job, iac = deployment.get("job") or {}, deployment.get("iac") or {}
    facts = {
        "deployment": deployment.get("id"),
        "app": deployment.get("app"),
        "environment": deployment.get("environment"),
        "version": deployment.get("version"),
        "source": f"{deployment.get('branch', '')} {deployment.get('commit', '')}",
        "job": job.get("url"),
        "IaC": f"{iac.get('url', '')} {iac.get('branch', '')}:{iac.get('path', '')}" if iac else "",
        "commit": pushed.get("url") or pushed.get("sha"),
    }
    return _grid([(name, _text(value)) for name, value in facts.items() if str(value or "").strip()])


def _history(entries: Any) -> Table:
    return _grid(
        [
            (str(entry.get("recordedAt", ""))[:19], f"{entry.get('type', ''):<22}  {_text(entry.get('message'))}")
            for entry in entries
        ]
    )


def _grid(rows: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    return table


def _text(value: Any) -> str:
    return printable(str(value or ""))
