"""Whether a dependency answers: asked all the time, so that who needs it need not ask, wait and find out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from dag_common.errors import DagError, Unavailable

log = structlog.get_logger()

BEAT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 0.25
"""Until the second try, and between tries while there is no answer."""

RETRY_AFTER_SECONDS: Final = 3.0


class Pulse:
    """One dependency's. It counts as down after two tries in a row without an answer, and as up after one with.

    So a connection that is lost and made again refuses nobody, and silence is noticed within about three seconds.
    Until it is asked for the first time it counts as up.
    """

    def __init__(self, name: str, ask: Callable[[], Awaitable[None]]) -> None:
        """`ask` returns when the dependency answers and raises `DagError` if it does not."""
        self._name = name
        self._ask = ask
        self._missing = ""
        self._leaning: set[asyncio.Timeout] = set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(AGAIN_SECONDS if self._missing else BEAT_SECONDS)

    async def beat(self) -> None:
        """Ask now; takes a little over two seconds at most."""
        missing = await self._asked()
        if missing and not self._missing:
            await asyncio.sleep(AGAIN_SECONDS)
            missing = await self._asked()
        self._found(missing)

    def needed(self) -> None:
        """Raises `Unavailable` at once if it is down."""
        if self._missing:
            raise Unavailable(self._missing, retry_after=RETRY_AFTER_SECONDS)

    async def check(self) -> None:
        """The same, for `Health`."""
        self.needed()

    @asynccontextmanager
    async def leaning(self) -> AsyncIterator[None]:
        """Do the block only as long as it is up: `Unavailable` at once if it is down, and as soon as it goes down."""
        self.needed()
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._leaning.add(limit)
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise Unavailable(f"the {self._name} fell silent", retry_after=RETRY_AFTER_SECONDS) from None
        finally:
            self._leaning.discard(limit)

    def _found(self, missing: str) -> None:
        before, self._missing = self._missing, missing
        if missing and not before:
            log.warning("dependency_lost", dependency=self._name, reason=missing)
            for limit in self._leaning:
                limit.reschedule(asyncio.get_running_loop().time())
        elif before and not missing:
            log.info("dependency_back", dependency=self._name)

    async def _asked(self) -> str:
        """What is wrong; empty if it answered."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._ask()
        except DagError as exc:
            return exc.message
        except TimeoutError:
            return f"the {self._name} does not answer"
        return ""
