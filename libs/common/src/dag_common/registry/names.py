"""The names an app uses, found in the plain data, so that an app with other problems has these told too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dag_common.registry.document import Path

ENVIRONMENTS: Final = "environments"


@dataclass(frozen=True, slots=True)
class Reference:
    """A name at a place: of an entry in `section`, or (`ENVIRONMENTS`) the name an environment gives itself."""

    section: str
    name: str
    path: Path


def references(app: Any, path: Path) -> Iterator[Reference]:
    """Every name in an app's data; what is not shaped like an app is passed over."""
    yield from _at(app, "provider", "providers", path)
    for index, environment in _items(app, "environments"):
        place = (*path, "environments", index)
        yield from _at(environment, "name", ENVIRONMENTS, place)
        yield from _at(_of(environment, "iac"), "repository", "iac", (*place, "iac"))
        for number, target in _items(environment, "targets"):
            yield from _at(target, "cluster", "clusters", (*place, "targets", number))


def _of(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _items(data: Any, key: str) -> Iterator[tuple[int, Any]]:
    value = _of(data, key)
    if isinstance(value, list):
        yield from enumerate(value)


def _at(data: Any, key: str, section: str, path: Path) -> Iterator[Reference]:
    value = _of(data, key)
    if isinstance(value, str):
        yield Reference(section, value, (*path, key))
