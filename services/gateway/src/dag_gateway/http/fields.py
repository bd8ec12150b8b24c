"""The fields of a request: which are missing, and whether the others may stand in events and commit messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dag_common.errors import Invalid
from dag_gateway.http.schemas import MAX_NAME, MAX_REPO_URL, MAX_TOKEN

LONGEST = {"repoUrl": MAX_REPO_URL, "jobToken": MAX_TOKEN}


def require(names: Collection[str], present: Collection[str]) -> None:
    """Raises `Invalid` that lists every missing field, in the order of the API reference."""
    missing = tuple(name for name in names if name not in present)
    if missing:
        raise Invalid(f"Missing required fields: {', '.join(missing)}", missing=missing)


def checked(values: Mapping[str, str]) -> dict[str, str]:
    """The values without surrounding white space; raises `Invalid` for one that is too long or not one printable line.

    They end up in commit messages, logs and events, where a line break would forge what follows it.
    """
    return {name: _checked(name, value) for name, value in values.items()}


def is_blank(value: str) -> bool:
    """Whether a field counts as missing."""
    return not value.strip()


def _checked(name: str, value: str) -> str:
    longest = LONGEST.get(name, MAX_NAME)
    if len(value) > longest:
        raise Invalid(f"{name} is longer than {longest} characters")
    text = value.strip()
    if not text.isprintable():
        raise Invalid(f"{name} holds a line break or another character that cannot be printed")
    return text
