"""What a deployment would change, as a page of text: facts, then a unified diff, coloured where colours are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.text import Text

from dag_client.views import printable

_STYLES: Final = {
    "---": "bold",
    "+++": "bold",
    "@@": "cyan",
    "+": "green",
    "-": "red",
    "\\": "dim",
    "old mode": "dim",
    "new mode": "dim",
}
_MARKS: Final = {"added": "green", "changed": "yellow", "removed": "red"}


def described(plan: Mapping[str, Any]) -> Text:
    """What `dag deploy --dry-run` shows, one line after the other, none folded: a diff must stay one."""
    return Text("\n").join([*_facts(plan), *_changes(plan)])


def _facts(plan: Mapping[str, Any]) -> Iterator[Text]:
    iac = plan.get("iac") or {}
    version = " ".join(filter(None, (_of(plan, "chartVersion"), _in_brackets(_of(plan, "chartVersionNote")))))
    yield _fact("environment", _of(plan, "environment"))
    yield _fact("version", version)
    yield _fact("path", f"{_of(iac, 'repository')} {_of(iac, 'branch')}:{_of(iac, 'path')}")
    yield _fact("compared with", _of(plan, "tip") or "an empty repository")
    for target in plan.get("targets") or ():
        place = [_of(target, name) for name in ("cluster", "kind", "namespace", "name")]
        yield _fact("target", "/".join(filter(None, place)))


def _changes(plan: Mapping[str, Any]) -> Iterator[Text]:
    yield Text("")
    if plan.get("unchanged"):
        yield Text("Nothing would change.")
    for file in plan.get("files") or ():
        yield from _file(file)
    if plan.get("filesOmitted"):
        yield Text(f"... and {plan['filesOmitted']} more files", style="yellow")
    yield Text("This was a dry run: nothing was deployed.", style="bold")


def _file(file: Mapping[str, Any]) -> Iterator[Text]:
    change = _of(file, "change")
    yield Text.assemble((change, _MARKS.get(change, "")), " ", _of(file, "path"))
    yield from (_line(line) for line in _of(file, "diff").splitlines())
    if file.get("truncated"):
        yield Text("... too large to be shown in full", style="yellow")
    elif "diff" not in file:
        yield Text("(binary)", style="dim")


def _line(line: str) -> Text:
    return Text(line, style=next((style for start, style in _STYLES.items() if line.startswith(start)), ""))


def _fact(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<15}", "dim"), value)


def _in_brackets(text: str) -> str:
    return f"({text})" if text else ""


def _of(content: Mapping[str, Any], name: str) -> str:
    return printable(str(content.get(name) or ""))
