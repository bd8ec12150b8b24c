"""Starts again what has ended, as an orchestrator does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from acceptance.harness.installation import Installation
from acceptance.harness.service import Service

PAUSE_SECONDS = 0.2


class Supervisor:
    """Looks after every process of an installation; `restarts` counts what it started again."""

    def __init__(self, dag: Installation) -> None:
        self.restarts = 0
        self._dag = dag
        self._held: set[Service] = set()

    async def run(self) -> None:
        """For ever: whoever has ended, and is not held down, is started."""
        while True:
            for service in self._dag.all:
                if not service.running and service not in self._held:
                    await service.start()
                    self.restarts += 1
            await asyncio.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def one_more(self, kind: str) -> AsyncIterator[Service]:
        """One more process of a kind for the block, ready; it is told to stop at the end, and has to end well."""
        service = self._dag.add(kind)
        async with self.held_down(service):
            try:
                await service.start()
                yield await service.ready()
                code = await service.terminate()
                assert code == 0, f"{service.name} ended with {code} when told to stop:\n{service.last_words()}"
            finally:
                await service.kill()
                self._dag.services[kind].remove(service)

    @asynccontextmanager
    async def held_down(self, *services: Service) -> AsyncIterator[None]:
        """These are not started again during the block."""
        self._held |= {*services}
        try:
            yield
        finally:
            self._held -= {*services}
