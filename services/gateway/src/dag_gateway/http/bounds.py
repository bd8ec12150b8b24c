"""What requests may take of this process together; who comes too many, or with too much, comes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from dag_common.errors import Unavailable

RETRY_AFTER_SECONDS: Final = 2

Hold = Callable[[int], None]
"""Takes so many bytes more; raises `Unavailable` if they are not free."""


class Places:
    """Bounds how many are at work at once."""

    def __init__(self, number: int, refusal: str) -> None:
        self._free = number
        self._refusal = refusal

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One place, for the block; raises `Unavailable` if none is free."""
        if not self._free:
            raise Unavailable(self._refusal, retry_after=RETRY_AFTER_SECONDS)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Memory:
    """Bounds what bodies hold together, byte by byte as they come: who sends nothing takes nothing from others."""

    def __init__(self, limit: int, refusal: str) -> None:
        """`limit` in bytes."""
        self._free = limit
        self._refusal = refusal

    @contextmanager
    def share(self) -> Iterator[Hold]:
        """What is held in the block is free again after it."""
        held = 0

        def hold(number: int) -> None:
            nonlocal held
            if number > self._free:
                raise Unavailable(self._refusal, retry_after=RETRY_AFTER_SECONDS)
            self._free -= number
            held += number

        try:
            yield hold
        finally:
            self._free += held
