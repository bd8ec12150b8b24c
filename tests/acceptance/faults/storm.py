"""What a fault may touch: the installation, the servers it stands on, the outside world."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from acceptance.faults.ground import Servers
from acceptance.faults.supervisor import Supervisor
from acceptance.harness.scene import Scene
from acceptance.harness.service import Service
from servers.wire import Wire

from dag_common.errors import Unavailable

STRIKES_WITHIN = 60.0
"""Seconds in which a fault must have met somebody: there is always traffic."""

ENDS_WITHIN = 240.0
"""Seconds in which a deployment must have ended, whatever strikes meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Everything that can be broken. Faults that break the same thing take turns (`turns`)."""

    scene: Scene
    servers: Servers
    supervisor: Supervisor
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    rejecting: list[range] = field(default_factory=list)
    """The positions the log came by while the git host rejected every push."""

    async def any_running(self, kind: str, draw: random.Random) -> Service:
        """One process of a kind, as soon as it runs."""
        service = draw.choice(self.scene.dag.services[kind])
        await until(f"{service.name} runs", lambda: service.running)
        return service

    async def in_log(self, question: str, *arguments: object) -> int:
        """How many records of the log fit a condition in SQL; asked again while the database is away."""
        async with asyncio.timeout(STRIKES_WITHIN):
            while True:
                try:
                    return await self.scene.log.count(question, *arguments)
                except Unavailable:
                    await asyncio.sleep(0.1)

    async def head(self) -> int:
        """The log's newest position."""
        return await self.in_log("true")


Strike = Callable[[Storm, random.Random], Awaitable[int]]
"""Breaks, waits for the effect, mends; returns how much it was seen to hit. 0: nobody was there to be hit."""


async def silenced(wire: Wire, seconds: float) -> int:
    """Let a wire carry nothing for so long, and until that held something back; returns how much it held."""
    before = wire.held
    wire.silence()
    try:
        await asyncio.sleep(seconds)
        await until("the silence holds something back", lambda: wire.held > before)
    finally:
        wire.speak()
    return wire.held - before


async def until(what: str, met: Callable[[], bool | Awaitable[bool]], *, within: float = STRIKES_WITHIN) -> None:
    """Wait until something is so; fails with what was waited for."""
    try:
        async with asyncio.timeout(within):
            while not await _holds(met):  # noqa: ASYNC110 - any state, not one event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {within:.0f} s: {what}") from None


async def _holds(met: Callable[[], bool | Awaitable[bool]]) -> bool:
    found = met()
    return found if isinstance(found, bool) else await found
