"""What one reader of a reflector has still to see: per key the latest only, so a slow reader costs no memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass

from dag_monitor.cluster.resources import Key, Object


@dataclass(frozen=True, slots=True)
class Change:
    """The latest state of one object; `object` None: it is not there any more."""

    key: Key
    object: Object | None


class Subscription:
    """Batches of changes. At most one entry is kept per key; what happened in between is not told."""

    def __init__(self, objects: Mapping[Key, Object], wants: Callable[[Key], bool]) -> None:
        self._objects, self._wants = objects, wants
        self._pending: dict[Key, None] = {}
        self._wake = asyncio.Event()

    def note(self, keys: Iterable[Key]) -> None:
        """Remember the keys that are wanted, and wake the reader if there are any."""
        wanted = [key for key in keys if self._wants(key)]
        if wanted:
            self._pending.update(dict.fromkeys(wanted))
            self._wake.set()

    def wake(self) -> None:
        """Make the reader look at the reflector's condition, even if no object changed."""
        self._wake.set()

    async def batches(self) -> AsyncIterator[tuple[Change, ...]]:
        """Whatever is new, for ever; an empty batch says that the reflector's condition changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            keys, self._pending = self._pending, {}
            yield tuple(Change(key, self._objects.get(key)) for key in keys)
