"""Processes are killed, told to stop, and stand still."""

from __future__ import annotations

import asyncio
import random

from acceptance.faults.storm import STRIKES_WITHIN, Storm, Strike

FROZEN_SECONDS = (1.0, 12.0)


def _killed(kind: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        service = await storm.any_running(kind, draw)
        async with storm.supervisor.held_down(service):
            await service.kill()
            await asyncio.sleep(draw.uniform(0, 1))
        await service.back(within=STRIKES_WITHIN)
        return 1

    return _named(strike, f"{kind}_killed")


def _terminated(kind: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        service = await storm.any_running(kind, draw)
        await service.back(within=STRIKES_WITHIN)
        async with storm.supervisor.held_down(service):
            code = await service.terminate()
            assert code == 0, f"{service.name} ended with {code} when told to stop:\n{service.last_words()}"
        await service.back(within=STRIKES_WITHIN)
        return 1

    return _named(strike, f"{kind}_terminated")


def _frozen(kind: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        service = await storm.any_running(kind, draw)
        async with storm.supervisor.held_down(service):
            service.freeze()
            try:
                await asyncio.sleep(draw.uniform(*FROZEN_SECONDS))
            finally:
                service.thaw()
        return 1

    return _named(strike, f"{kind}_frozen")


def _named(strike: Strike, name: str) -> Strike:
    strike.__name__ = name
    return strike


KINDS = ("gateway", "pusher", "monitor")
FAULTS: tuple[Strike, ...] = (
    *(_killed(kind) for kind in KINDS),
    *(_terminated(kind) for kind in KINDS),
    *(_frozen(kind) for kind in KINDS),
)
