"""YAML from a chart as plain JSON data: safe against hostile documents, and with the values Helm would see."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from dag_common.charts.limits import MIB, in_words
from dag_common.charts.scalars import key_text, resolve
from dag_common.errors import Invalid

SIZE = 5 * MIB
DEPTH = 64
WEIGHT = 16 * MIB
_WEIGHT_OF_A_NODE = 64
_BOM = "\ufeff"
_TAG = "tag:yaml.org,2002:"
_AS_TAGGED: dict[str, tuple[type, ...]] = {
    f"{_TAG}int": (int,),
    f"{_TAG}float": (float, int),
    f"{_TAG}bool": (bool,),
    f"{_TAG}null": (type(None),),
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(content: bytes, source: str = "values.yaml") -> dict[str, Any]:
    """The first document as a mapping of JSON values, keys in their order; an empty document is an empty mapping.

    As Helm sees it (kubernetes-sigs/yaml, `yaml.go`): keys become text, the last of duplicate keys wins, later
    documents and unknown tags do not count, dates stay the ISO text they are written as. Explicit keys win over
    merged ones (`<<`). Binary stays base64. Infinity and NaN are refused, as Helm refuses them.
    Containers behind an alias are shared: treat the result as read-only.

    Raises `Invalid` with `source`, line and column for anything else; also over 5 MiB, nesting over 64, and
    aliases that expand to more than 16 MiB.
    """
    text = decoded(content, source)
    return _Document(source, events(text, source)).read()


def decoded(content: bytes, source: str) -> str:
    """The text of a YAML file without its byte order mark."""
    if len(content) > SIZE:
        raise Invalid(f"{source} is larger than {in_words(SIZE)}. Shorten it.")
    try:
        return content.decode().removeprefix(_BOM)
    except UnicodeDecodeError as exc:
        raise Invalid(f"{_after(source, content[: exc.start])}: the file is not UTF-8. Save it as UTF-8.") from exc


def events(text: str, source: str) -> Iterator[Any]:
    """The parser's events, its errors mapped to `Invalid` with line and column."""
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as exc:
        problem = ", ".join(part for part in (exc.context, exc.problem) if part)
        raise _wrong(source, exc.problem_mark or exc.context_mark, f"this is not valid YAML: {problem}") from exc
    except yaml.reader.ReaderError as exc:
        where = _after(source, text.encode()[: exc.position])
        raise Invalid(f"{where}: U+{exc.character:04X} is not allowed in YAML ({exc.reason}).") from exc


def _after(source: str, read: bytes) -> str:
    """The place right behind what was read."""
    lines = read.decode(errors="replace").split("\n")
    return f"{source}, line {len(lines)}, column {len(lines[-1]) + 1}"


def _wrong(source: str, mark: Any, problem: str) -> Invalid:
    where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
    return Invalid(f"{where}: {problem}.")


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    weight: int
    height: int
    complete: bool


class _Document:
    """Builds one document's value straight from events, so that limits hold before anything is built."""

    def __init__(self, source: str, stream: Iterator[Any]) -> None:
        self._source = source
        self._events = stream
        self._anchors: dict[str, _Anchored] = {}
        self._weight = 0
        self._deepest = 0

    def read(self) -> dict[str, Any]:
        start = next((event for event in self._events if isinstance(event, yaml.DocumentStartEvent)), None)
        if start is None:
            return {}
        top = next(self._events)
        document = self._node(top, 0)
        if document is not None and not isinstance(document, dict):
            problem = "the top level must be a mapping (`key: value`), not a list or a single value"
            raise _wrong(self._source, top.start_mark, problem)
        return document or {}

    def _node(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._reach(event, depth)
        return self._value(event, depth) if event.anchor is None else self._anchored(event, depth)

    def _anchored(self, event: Any, depth: int) -> Any:
        """Build the value behind an anchor and note what each alias to it will cost."""
        self._anchors[event.anchor] = _Anchored(None, 0, 0, complete=False)
        weight, deepest, self._deepest = self._weight, self._deepest, depth
        value = self._value(event, depth)
        self._anchors[event.anchor] = _Anchored(value, self._weight - weight, self._deepest - depth, complete=True)
        self._deepest = max(self._deepest, deepest)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            self._weigh(event, _WEIGHT_OF_A_NODE + len(event.value))
            return self._scalar(event)
        self._weigh(event, _WEIGHT_OF_A_NODE)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        mapping: dict[str, Any] = {}
        for key in self._until(yaml.MappingEndEvent):
            self._entry(mapping, key, depth + 1)
        return mapping

    def _entry(self, mapping: dict[str, Any], key_event: Any, depth: int) -> None:
        if _is_merge(key_event):
            value_event = next(self._events)
            for merged in self._mergeable(value_event, self._node(value_event, depth)):
                for name, inherited in merged.items():
                    mapping.setdefault(name, inherited)
            return
        key = self._node(key_event, depth)
        if key is None or isinstance(key, list | dict):
            kind = "null" if key is None else "a list or a mapping"
            raise _wrong(self._source, key_event.start_mark, f"a key is {kind}; write text, in quotes if need be")
        mapping[key_text(key)] = self._node(next(self._events), depth)

    def _mergeable(self, event: Any, value: Any) -> list[dict[str, Any]]:
        merged = value if isinstance(value, list) else [value]
        if not all(isinstance(mapping, dict) for mapping in merged):
            raise _wrong(self._source, event.start_mark, "`<<` takes a mapping or a list of mappings")
        return merged

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _scalar(self, event: Any) -> Any:
        if event.tag in _AS_TAGGED:
            value = self._tagged(event)
        elif event.tag == f"{_TAG}binary":
            return self._binary(event)
        else:
            value = resolve(event.value) if event.implicit[0] else event.value
        if isinstance(value, float) and not math.isfinite(value):
            raise _wrong(
                self._source, event.start_mark, f"JSON has no {event.value}, so Helm refuses it; write it in quotes"
            )
        return value

    def _tagged(self, event: Any) -> Any:
        value, expected = resolve(event.value), _AS_TAGGED[event.tag]
        if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
            kind = event.tag.removeprefix(_TAG)
            raise _wrong(self._source, event.start_mark, f"{event.value[:80]!r} is tagged !!{kind} but is none")
        return value

    def _binary(self, event: Any) -> str:
        text = "".join(event.value.split())
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise _wrong(self._source, event.start_mark, "this is tagged !!binary but is not base64") from exc
        return text

    def _alias(self, event: Any, depth: int) -> Any:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise _wrong(self._source, event.start_mark, f"the alias *{event.anchor[:80]} has no anchor before it")
        if not anchored.complete:
            raise _wrong(self._source, event.start_mark, f"the anchor &{event.anchor[:80]} contains itself")
        self._weigh(event, anchored.weight)
        self._reach(event, depth + anchored.height)
        return anchored.value

    def _reach(self, event: Any, depth: int) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > DEPTH:
            raise _wrong(self._source, event.start_mark, f"this is nested more than {DEPTH} levels deep")

    def _weigh(self, event: Any, weight: int) -> None:
        self._weight += weight
        if self._weight > WEIGHT:
            raise _wrong(
                self._source,
                event.start_mark,
                f"with its aliases expanded the document holds more than {in_words(WEIGHT)} of values up to here",
            )


def _is_merge(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
