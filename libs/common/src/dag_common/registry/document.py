"""One YAML document as plain data that remembers the line of every entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from dag_common.registry.problems import Problem

Path = tuple[str | int, ...]

MAX_BYTES: Final = 16 * 1024 * 1024
_MAX_NODES: Final = 1_000_000
_MAX_DEPTH: Final = 32
_MERGE = "tag:yaml.org,2002:merge"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. A key that stands twice keeps its first value and is among the problems."""

    file: str
    data: dict[str, Any]
    lines: dict[Path, int]
    problems: tuple[Problem, ...]

    def line(self, path: Path) -> int:
        """The line of the entry at `path`, or of the nearest entry around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def shown(path: Path) -> str:
    """A path as people read it: `apps[2].environments[0].iac.repository`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def parse(file: str, content: bytes) -> Document | Problem:
    """Read one document, or say why it cannot be read as a whole.

    Safe against what YAML allows: no tags but the plain ones, one document, and bounds on the size, the depth and
    the number of values after aliases are followed.
    """
    if len(content) > MAX_BYTES:
        return _fatal(file, 0, f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return _read(file, content.decode())
    except UnicodeDecodeError:
        return _fatal(file, 0, "expected UTF-8 text")
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        return _fatal(file, mark.line + 1 if mark else 0, f"not valid YAML: {exc.problem or exc.context}")
    except yaml.YAMLError:
        return _fatal(file, 0, "not valid YAML: it holds a character that YAML does not allow")
    except _Bounds as exc:
        return _fatal(file, exc.line, str(exc))


def _read(file: str, text: str) -> Document | Problem:
    _check_depth(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return _fatal(file, 0, "the file is empty")
        if not isinstance(root, yaml.MappingNode):
            return _fatal(file, root.start_mark.line + 1, "expected a mapping with providers, iac, clusters and apps")
        walk = _Walk(file, loader)
        data = walk.value(root, ())
        return Document(file, data, walk.lines, tuple(walk.problems))
    finally:
        loader.dispose()


def _fatal(file: str, line: int, message: str) -> Problem:
    return Problem(file, line, "", message, fatal=True)


class _Bounds(Exception):
    def __init__(self, place: yaml.Node | yaml.Event, message: str) -> None:
        super().__init__(message)
        self.line = place.start_mark.line + 1 if place.start_mark else 0


def _check_depth(text: str) -> None:
    """Look at the nesting before the tree is built: PyYAML's C code builds it recursively, and dies of depth."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _Bounds(event, f"nested deeper than {_MAX_DEPTH} levels")


@dataclass(slots=True)
class _Walk:
    """Turns nodes into data, aliases included, and counts every value it makes."""

    file: str
    loader: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise _Bounds(node, f"more than {_MAX_NODES} values, aliases followed")
        if len(path) > _MAX_DEPTH:
            raise _Bounds(node, f"nested deeper than {_MAX_DEPTH} levels")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = self._merge(value_node, path) | merged
                continue
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            line = key_node.start_mark.line + 1
            if not key:
                self.problems.append(Problem(self.file, line, shown(path), "expected a name as key"))
            elif key in own:
                self.problems.append(Problem(self.file, line, shown((*path, key)), _twice(self.lines[*path, key])))
            else:
                self.lines[*path, key] = line
                own[key] = self.value(value_node, (*path, key))
        return merged | own

    def _merge(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise _Bounds(part, "expected a mapping, or a list of mappings, after <<")
            merged = self._mapping_of(part, path) | merged
        return merged

    def _mapping_of(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        kept = dict(self.lines)
        value: dict[str, Any] = self.value(node, path)
        self.lines.update(kept)
        return value

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as exc:
            raise _Bounds(node, "a value with a tag that is not plain YAML") from exc


def _twice(line: int) -> str:
    return f"stands twice, first on line {line}"
