"""Chart.yaml with another version: two scalars replaced where they stand, every other byte as it was.

The text is spliced at the parser's marks, because even a round-trip YAML writer changes indentation, quotes and
line ends that the chart's authors chose. The result is read again and compared before it is handed out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from dag_common.charts.metadata import CHART_YAML, read_metadata
from dag_common.charts.values import decoded, events, read_yaml
from dag_common.errors import Invalid

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_INDENT = re.compile(" *")
_BOM = "\ufeff".encode()
_OPENS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSES = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


@dataclass(frozen=True, slots=True)
class _Splice:
    start: int
    end: int
    text: str


def rewrite(content: bytes, *, version: str, app_version: str) -> bytes:
    """`content` with these two values at its top level; a missing one is added next to the other.

    Comments, order, quotes, line ends and everything else stay. An anchor on a replaced value moves to its first
    alias, so that what refers to the old value keeps it. `Invalid` where that cannot be done by splicing.
    """
    read_metadata(content)
    text = decoded(content, CHART_YAML)
    wanted = {"version": version, "appVersion": app_version}
    spliced = _spliced(text, _Top(text).splices(wanted))
    result = (_BOM if content.startswith(_BOM) else b"") + spliced.encode()
    if _read(result) != read_yaml(content, CHART_YAML) | wanted:
        raise Invalid(
            "Chart.yaml writes its version or appVersion in a way DAG cannot replace without changing the rest. "
            "Write both as plain lines: `version: 1.2.3` and `appVersion: text`."
        )
    return result


def _read(result: bytes) -> dict[str, Any] | None:
    """What the edited file says; None if the edit broke it."""
    try:
        return read_yaml(result, CHART_YAML)
    except Invalid:
        return None


class _Top:
    """The top-level mapping of the first document, with where each value stands in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events = list(_first_document(text))
        self._flow = bool(self._events[0].flow_style)
        self._entries = list(_pairs(self._events))
        newline = _BREAK.search(text)
        self._newline = newline[0] if newline else "\n"

    def splices(self, wanted: dict[str, str]) -> list[_Splice]:
        replaced = [(key.value, value) for key, value in self._entries if _replaceable(key, value, wanted)]
        missing = [name for name in wanted if name not in dict(replaced)]
        return [
            *(
                _Splice(value.start_mark.index, self._end(value), self._new(name, value, wanted))
                for name, value in replaced
            ),
            *self._moved_anchors([value for _, value in replaced]),
            *self._added({name: wanted[name] for name in missing}, dict(replaced).get("version")),
        ]

    def _new(self, name: str, value: Any, wanted: dict[str, str]) -> str:
        """An empty value is marked right behind its colon, where text needs a space first."""
        start = value.start_mark.index
        gap = " " if value.end_mark.index == start and self._text[start - 1] == ":" else ""
        return gap + _written(name, wanted[name], getattr(value, "style", None))

    def _end(self, value: Any) -> int:
        """Block scalars are marked up to the next line; the line break is not theirs to lose."""
        start, end = int(value.start_mark.index), int(value.end_mark.index)
        return start + len(self._text[start:end].rstrip())

    def _moved_anchors(self, replaced: list[Any]) -> Iterator[_Splice]:
        for value in replaced:
            heir = self._heir(value, replaced) if isinstance(value, yaml.ScalarEvent) and value.anchor else None
            if heir:
                definition = self._text[value.start_mark.index : self._end(value)]
                yield _Splice(heir.start_mark.index, heir.end_mark.index, definition)

    def _heir(self, anchored: Any, replaced: list[Any]) -> Any:
        after = self._events[self._events.index(anchored) + 1 :]
        for event in after:
            if getattr(event, "anchor", None) == anchored.anchor and event not in replaced:
                return event if isinstance(event, yaml.AliasEvent) else None
        return None

    def _added(self, missing: dict[str, str], version: Any) -> Iterator[_Splice]:
        if not missing:
            return
        lines = [f"{name}: {_written(name, value, None)}" for name, value in missing.items()]
        first = self._events[1].start_mark.index
        if self._flow:
            at = self._end(version) if version else first
            yield _Splice(at, at, f", {lines[0]}" if version else ", ".join([*lines, ""]))
            return
        indent = self._indent(first)
        if version:
            at = self._end_of_line(self._end(version))
            yield _Splice(at, at, "".join(self._newline + indent + line for line in lines))
        else:
            at = self._start_of_line(first)
            yield _Splice(at, at, "".join(indent + line + self._newline for line in lines))

    def _indent(self, at: int) -> str:
        found = _INDENT.match(self._text, self._start_of_line(at))
        return found[0] if found else ""

    def _start_of_line(self, at: int) -> int:
        return max((found.end() for found in _BREAK.finditer(self._text, 0, at)), default=0)

    def _end_of_line(self, at: int) -> int:
        found = _BREAK.search(self._text, at)
        return found.start() if found else len(self._text)


def _first_document(text: str) -> Iterator[Any]:
    for event in events(text, CHART_YAML):
        if isinstance(event, yaml.DocumentEndEvent):
            return
        if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            yield event


def _pairs(stream: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Keys and values of the outermost mapping; of a nested value only its first event."""
    depth, heads = 0, []
    for event in stream:
        if depth == 1 and not isinstance(event, _CLOSES):
            heads.append(event)
        depth += isinstance(event, _OPENS) - isinstance(event, _CLOSES)
    return zip(heads[::2], heads[1::2], strict=False)


def _replaceable(key: Any, value: Any, wanted: dict[str, str]) -> bool:
    named = isinstance(key, yaml.ScalarEvent) and key.value in wanted
    return named and isinstance(value, yaml.ScalarEvent | yaml.AliasEvent)


def _written(name: str, value: str, style: str | None) -> str:
    """In the quotes that stood there. appVersion is always quoted: 1.10 must stay text."""
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style == '"' or name == "appVersion":
        return json.dumps(value, ensure_ascii=False)
    return value


def _spliced(text: str, splices: list[_Splice]) -> str:
    for splice in sorted(splices, key=lambda one: one.start, reverse=True):
        text = text[: splice.start] + splice.text + text[splice.end :]
    return text
