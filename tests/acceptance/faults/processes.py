"""Processes are killed, told to stop, and stand still."""

from __future__ import annotations

import asyncio
import random
import signal

from acceptance.faults.storm import STRIKES_WITHIN, Storm, Strike
from acceptance.harness.service import Service

FROZEN_SECONDS = (1.0, 12.0)


def _killed(kind: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        service = await storm.any_running(kind, draw)
        async with storm.supervisor.held_down(service):
            code = await service.kill()
            await asyncio.sleep(draw.uniform(0, 1))
        await service.back(within=STRIKES_WITHIN)
        return int(code == -signal.SIGKILL)

    return _named(strike, f"{kind}_killed")


def _terminated(kind: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        service = await storm.any_running(kind, draw)
        await service.back(within=STRIKES_WITHIN)
        before = _told_to_stop(service)
        async with storm.supervisor.held_down(service):
            code = await service.terminate()
            assert code == 0, f"{service.name} ended with {code} when told to stop:\n{service.last_words()}"
        await service.back(within=STRIKES_WITHIN)
        return _told_to_stop(service) - before

    return _named(strike, f"{kind}_terminated")


def _frozen(kind: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        service = await storm.any_running(kind, draw)
        async with storm.supervisor.held_down(service):
            service.freeze()
            try:
                return await _unanswered(service, draw.uniform(*FROZEN_SECONDS))
            finally:
                service.thaw()

    return _named(strike, f"{kind}_frozen")


def _told_to_stop(service: Service) -> int:
    return service.log.read_text(errors="replace").count('"stop_requested"')


async def _unanswered(service: Service, seconds: float) -> int:
    """Ask for its health page all the while; returns how often it left the asker without an answer."""
    loop = asyncio.get_running_loop()
    end, silences = loop.time() + seconds, 0
    while (left := end - loop.time()) > 0:
        silences += await service.leaves_waiting(seconds=min(left, 1.0))
    return silences


def _named(strike: Strike, name: str) -> Strike:
    strike.__name__ = name
    return strike


KINDS = ("gateway", "pusher", "monitor")
DEATHS: tuple[Strike, ...] = (*(_killed(kind) for kind in KINDS), *(_terminated(kind) for kind in KINDS))
FAULTS: tuple[Strike, ...] = (*DEATHS, *(_frozen(kind) for kind in KINDS))
