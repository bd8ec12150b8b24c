"""Values overrides of a deployment, applied to a copy of values.yaml in memory; the user's file is never touched."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from dag_client.aliases import key_of, own, written_out
from dag_client.errors import Misused


@dataclass(frozen=True, slots=True)
class Overrides:
    """In the order they apply: values files, `--set`, `--set-json`, `--set-file` (`key=...`, keys with dots)."""

    values_files: Sequence[Path] = ()
    strings: Sequence[str] = ()
    json: Sequence[str] = ()
    files: Sequence[str] = ()

    def __bool__(self) -> bool:
        return any((self.values_files, self.strings, self.json, self.files))

    def apply(self, values: bytes) -> bytes:
        """The text of values.yaml with the overrides in it; comments, order and untouched values stay as they are."""
        loaded = _load(values, "values.yaml")
        document = _mapping(loaded, "values.yaml")
        for path in self.values_files:
            _merge(document, _mapping(_load(_read(path, "--values-file"), str(path)), str(path)))
        for flag, options, parse in self._assignments():
            for option in options:
                keys, text = _split(flag, option)
                _assign(document, keys, parse(text, option), f"{flag} {option.partition('=')[0]}")
        return (_comments(values) if loaded is None else b"") + _dump(document)

    def _assignments(self) -> tuple[tuple[str, Sequence[str], Callable[[str, str], Any]], ...]:
        return (
            ("--set", self.strings, lambda text, _: _string(text)),
            ("--set-json", self.json, _json),
            ("--set-file", self.files, lambda text, _: _string(_text(Path(text)))),
        )


def _split(flag: str, option: str) -> tuple[list[str], str]:
    """Keys and value of `a.b=value`; a dot that belongs to a key is written as backslash dot, as for Helm's --set."""
    key, equals, text = option.partition("=")
    keys = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", key)]
    if not equals or not all(keys):
        raise Misused(f"{flag} {option!r} is not of the form key=value, with dots between the keys.")
    return keys, text


def _json(text: str, option: str) -> Any:
    try:
        return _plain(json.loads(text, parse_constant=_no_constant))
    except ValueError as error:
        raise Misused(f"--set-json {option.partition('=')[0]}: the value is not JSON ({error}).") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not in JSON")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap((key, _plain(item)) for key, item in value.items())
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _string(value) if isinstance(value, str) else value


def _string(text: str) -> str:
    """Quoted, because Helm reads YAML 1.1, where a bare `yes` or `1e3` would not stay a string."""
    lines = text.split("\n")
    tidy = len(lines) > 1 and all(line.isprintable() and line == line.strip() for line in lines) and lines[0]
    quoted: str = LiteralScalarString(text) if tidy else DoubleQuotedScalarString(text)
    return quoted


def _merge(into: CommentedMap, values: CommentedMap) -> None:
    for name, value in values.items():
        key = key_of(into, name)
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(own(into, key), _mapping(value, str(key)))
        else:
            into[key] = written_out(value)


def _assign(into: CommentedMap, keys: Sequence[str], value: Any, what: str) -> None:
    *parents, last = keys
    for name in parents:
        key = key_of(into, name)
        if into.get(key) is None:
            into[key] = CommentedMap()
        if not isinstance(into[key], dict):
            raise Misused(f"{what}: {key!r} holds a value of its own in values.yaml, there is nothing below it.")
        into = own(into, key)
    into[key_of(into, last)] = value


def _mapping(value: Any, what: str) -> CommentedMap:
    if value is None:
        return CommentedMap()
    if not isinstance(value, CommentedMap):
        raise Misused(f"{what} must hold a mapping at its top, not {type(value).__name__}.")
    return value


def _yaml() -> YAML:
    """Braces stand around a mapping in a flow sequence, else an anchor before it would belong to its first key."""
    yaml = YAML(typ="rt")
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.preserve_quotes = True
    yaml.width = 2**31
    return yaml


def _load(content: bytes, what: str) -> Any:
    try:
        return _yaml().load(content)
    except (YAMLError, UnicodeDecodeError) as error:
        raise Misused(f"{what} is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise Misused(f"{what} is nested too deeply.") from error


def _comments(values: bytes) -> bytes:
    """The lines of values.yaml where nothing but comments is in it: no value holds them."""
    lines = values.splitlines()
    return b"".join(line + b"\n" for line in lines if not line.strip() or line.lstrip().startswith(b"#"))


def _dump(document: CommentedMap) -> bytes:
    out = io.BytesIO()
    _yaml().dump(document, out)
    return out.getvalue()


def _read(path: Path, flag: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misused(f"{flag}: {path} cannot be read ({error.strerror}).") from error


def _text(path: Path) -> str:
    try:
        return _read(path, "--set-file").decode()
    except UnicodeDecodeError as error:
        raise Misused(f"--set-file: {path} is not UTF-8 text, and values hold only text.") from error
