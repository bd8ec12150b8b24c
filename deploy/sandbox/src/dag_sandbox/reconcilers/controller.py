"""What lives while it is entered: one task of its own, which may be stopped between any two of its writes."""

from __future__ import annotations

import abc
import asyncio
import contextlib
from types import TracebackType
from typing import Self


class Controller(abc.ABC):
    """Entering it again is a controller restarted: it goes on from what is in the cluster and in git."""

    _running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._prepare()
        self._running = asyncio.create_task(self._run(), name=type(self).__name__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops, in the middle of an action if need be; raises what ended it before."""
        if self._running is None:
            return
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    def _prepare(self) -> None:  # noqa: B027 - most have nothing to prepare
        """Put into the cluster what has to be there first; what is there already stays."""

    @abc.abstractmethod
    async def _run(self) -> None:
        """Work until cancelled."""
