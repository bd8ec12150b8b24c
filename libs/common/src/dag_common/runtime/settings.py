"""Settings from the environment: one frozen dataclass a service, every problem told at once, by variable name.

@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
database_url: str = variable("DAG_DATABASE_URL", "postgresql:// address of the event log", secret=True)

settings = settings_from(Settings, os.environ)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any, TypeVar

from dag_common.errors import Invalid

S = TypeVar("S")


def variable(
    name: str, meaning: str, *, default: Any = MISSING, parse: Callable[[str], Any] = str, secret: bool = False
) -> Any:
    """A settings field read from the environment variable `name`; required unless it has a default.

    `parse` turns the text into the value and raises `ValueError` with what was expected. A secret does
    not show in the settings' `repr`.
    """
    metadata = {"variable": name, "meaning": meaning, "parse": parse}
    if default is MISSING:
        return field(repr=not secret, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


def settings_from(cls: type[S], environ: Mapping[str, str]) -> S:
    """Read every variable of a settings class; raises `Invalid` that names all that are missing or wrong.

    An empty variable counts as absent, as compose files and charts write it.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in _variables(cls):
        text = environ.get(item.metadata["variable"], "").strip()
        try:
            if text:
                values[item.name] = item.metadata["parse"](text)
            elif item.default is MISSING:
                problems.append(f"{item.metadata['variable']} is not set: {item.metadata['meaning']}")
        except ValueError as exc:
            problems.append(f"{item.metadata['variable']} is wrong: {exc}")
    if problems:
        raise Invalid("\n".join(problems))
    return cls(**values)


def explain(cls: type[Any]) -> str:
    """The variables of a settings class as lines of help."""
    return "\n".join(_explained(item) for item in _variables(cls))


def seconds(text: str) -> float:
    """A positive number of seconds."""
    value = _number(text)
    if value <= 0:
        raise ValueError(f"expected a positive number of seconds, got {text!r}")
    return value


def whole(text: str) -> int:
    """A whole number, 0 or above."""
    if not text.isdecimal():
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(text)


def existing(text: str) -> Path:
    """A file or directory that exists."""
    path = Path(text)
    if not path.exists():
        raise ValueError(f"there is no file or directory {text}")
    return path


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise ValueError(f"expected a number, got {text!r}") from exc


def _variables(cls: type[Any]) -> Iterator[Field[Any]]:
    return (item for item in fields(cls) if "variable" in item.metadata)


def _explained(item: Field[Any]) -> str:
    default = "required" if item.default is MISSING else f"default {item.default}" if item.default else "optional"
    return f"  {item.metadata['variable']:<26} {item.metadata['meaning']} ({default})"
