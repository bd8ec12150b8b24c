"""When the local copy itself is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pygit2

from dag_common.errors import Unavailable


class Damaged(Unavailable):
    """The local copy cannot be used as it is: clone it anew and try again."""


@contextmanager
def undamaged() -> Iterator[None]:
    """Objects that are missing or unreadable mean that the local copy is damaged."""
    try:
        yield
    except (pygit2.GitError, KeyError, OSError) as exc:
        raise Damaged(f"the local copy of the IaC repository cannot be read: {exc}") from exc
