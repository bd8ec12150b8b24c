"""What has come and was not taken yet."""

from __future__ import annotations

import asyncio
from typing import Final, Generic, TypeVar

LIMIT: Final = 10_000
"""Messages kept for a slow reader; a deployment makes about ten, of about 1 kB each."""

Item = TypeVar("Item")


class Arrivals(Generic[Item]):
    """An async iterator over what was put in; giving up waiting for one item (a timeout) does not end it."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[Item] = asyncio.Queue()

    def put(self, item: Item) -> None:
        """Add an item."""
        self._items.put_nowait(item)

    def drop(self) -> list[Item]:
        """Forget what was not taken yet; returns it."""
        return [self._items.get_nowait() for _ in range(self._items.qsize())]

    def __aiter__(self) -> Arrivals[Item]:
        return self

    async def __anext__(self) -> Item:
        return await self._items.get()


class Inbox(Generic[Item]):
    """An async iterator over items put in; `None` stands for items missed."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()
        self._limit = limit

    def put(self, item: Item) -> None:
        """Add an item; if the reader is too far behind, everything unread gives way to one `None`."""
        if self._items.qsize() >= self._limit:
            self.missed()
        else:
            self._items.put_nowait(item)

    def missed(self) -> None:
        """Say that items may be missing up to here; the unread are dropped, the reader must ask the log anyway."""
        while not self._items.empty():
            self._items.get_nowait()
        self._items.put_nowait(None)

    def __aiter__(self) -> Inbox[Item]:
        return self

    async def __anext__(self) -> Item | None:
        return await self._items.get()
