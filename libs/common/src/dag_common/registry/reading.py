"""Plain data to the schema's values, with every problem found and not only the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path as FilesystemPath
from typing import Any

import msgspec
from msgspec import inspect

from dag_common.registry.document import Document, Path, shown
from dag_common.registry.durations import Seconds
from dag_common.registry.entry import Entry, Misfit
from dag_common.registry.problems import Problem, did_you_mean
from dag_common.registry.references import File, FilePath, Secret

_BROKEN: Any = object()
_WORDS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    date: "a date",
    type(None): "nothing",
}
_WRITTEN: Mapping[type, str] = {Secret: "a reference {env: NAME} or {file: PATH}", File: "{file: PATH}"}


@dataclass(slots=True)
class Reader:
    """Reads entries of one document. `directory` is where its relative paths count from."""

    document: Document
    directory: FilesystemPath
    problems: list[Problem] = field(default_factory=list)

    def entry(self, cls: type[Entry], value: Any, path: Path) -> Any | None:
        """The entry, or None after its problems were noted."""
        read = self._read(_type_info(cls), value, path)
        return None if read is _BROKEN else read

    def note(self, path: Path, message: str, *, fatal: bool = False) -> None:
        """Note a problem at a place in this document."""
        place = self.document
        self.problems.append(Problem(place.file, place.line(path), shown(path), message, fatal=fatal))

    def _read(self, info: inspect.Type, value: Any, path: Path) -> Any:
        if isinstance(info, inspect.UnionType):
            return self._union(info, value, path)
        if isinstance(info, inspect.StructType):
            return self._struct(info, value, path)
        if isinstance(info, inspect.VarTupleType):
            return self._items(info, value, path)
        if isinstance(info, inspect.DictType):
            return self._table(info, value, path)
        return self._leaf(info, value, path)

    def _union(self, info: inspect.UnionType, value: Any, path: Path) -> Any:
        if value is None:
            return None
        members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        if len(members) == 1:
            return self._read(members[0], value, path)
        fitting = [member for member in members if _fits(member, value)]
        return value if fitting else self._misfit(path, " or ".join(map(_expected, members)), value)

    def _struct(self, info: inspect.StructType, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._misfit(path, _expected(info), value)
        known = {each.encode_name: each for each in info.fields}
        unknown = [name for name in value if name not in known]
        for name in unknown:
            self.note((*path, name), f"no such field{did_you_mean(name, known)}")
        missing = [name for name, each in known.items() if each.required and name not in value]
        for name in missing:
            self.note(path, f"{name} is missing: expected {_expected(known[name].type)}")
        read = {known[n].name: self._read(known[n].type, v, (*path, n)) for n, v in value.items() if n in known}
        if unknown or missing or any(each is _BROKEN for each in read.values()):
            return _BROKEN
        return self._build(info.cls, read, path)

    def _build(self, cls: type[Any], fields: dict[str, Any], path: Path) -> Any:
        try:
            return cls(**fields)
        except Misfit as exc:
            self.note((*path, exc.field), str(exc))
        except ValueError as exc:
            self.note(path, str(exc))
        return _BROKEN

    def _items(self, info: inspect.VarTupleType, value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            return self._misfit(path, _expected(info), value)
        items = tuple(self._read(info.item_type, item, (*path, index)) for index, item in enumerate(value))
        return _BROKEN if any(item is _BROKEN for item in items) else items

    def _table(self, info: inspect.DictType, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._misfit(path, _expected(info), value)
        table = {name: self._read(info.value_type, item, (*path, name)) for name, item in value.items()}
        return _BROKEN if any(item is _BROKEN for item in table.values()) else table

    def _leaf(self, info: inspect.Type, value: Any, path: Path) -> Any:
        if isinstance(info, inspect.CustomType):
            return self._custom(info, value, path)
        if isinstance(info, inspect.StrType) and value == "":
            return self._misfit(path, "text that is not empty", None)
        if isinstance(info, inspect.LiteralType) and isinstance(value, str) and value not in info.values:
            return self._misfit(path, _expected(info), value, did_you_mean(value, map(str, info.values)))
        return value if _fits(info, value) else self._misfit(path, _expected(info), value)

    def _custom(self, info: inspect.CustomType, value: Any, path: Path) -> Any:
        try:
            if info.cls is Seconds:
                return Seconds.parse(value)
        except ValueError as exc:
            self.note(path, str(exc))
            return _BROKEN
        if isinstance(value, str) and value:
            return FilePath(value, self.directory)
        return self._misfit(path, "the path of a file", value)

    def _misfit(self, path: Path, expected: str, value: Any, hint: str = "") -> Any:
        self.note(path, f"expected {expected}, found {_found(value, expected)}{hint}")
        return _BROKEN


def _fits(info: inspect.Type, value: Any) -> bool:
    if isinstance(info, inspect.LiteralType):
        return value in info.values
    kind = {inspect.StrType: str, inspect.IntType: int, inspect.BoolType: bool}.get(type(info))
    return kind is not None and type(value) is kind


def _expected(info: inspect.Type) -> str:
    if isinstance(info, inspect.LiteralType):
        return f"one of {', '.join(map(str, info.values))}"
    if isinstance(info, inspect.StructType):
        if info.cls in _WRITTEN:
            return _WRITTEN[info.cls]
        return f"a mapping with {', '.join(each.encode_name for each in info.fields)}"
    if isinstance(info, inspect.VarTupleType):
        return "a list"
    if isinstance(info, inspect.CustomType):
        return "a duration" if info.cls is Seconds else "the path of a file"
    if isinstance(info, inspect.UnionType):
        return " or ".join(_expected(each) for each in info.types if not isinstance(each, inspect.NoneType))
    words = {inspect.StrType: "text", inspect.IntType: "a whole number", inspect.BoolType: "true or false"}
    return words.get(type(info), "a mapping")


def _found(value: Any, expected: str) -> str:
    word = next((word for kind, word in _WORDS.items() if isinstance(value, kind)), "something else")
    quotable = expected.startswith("text") and isinstance(value, bool | int | float | date)
    if expected.startswith("one of") and isinstance(value, str):
        return "another word"
    return f"{word} (put it in quotes)" if quotable else word


@lru_cache(maxsize=64)
def _type_info(cls: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(cls)
