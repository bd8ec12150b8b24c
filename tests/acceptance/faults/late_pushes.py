"""The git host takes a push in whole, keeps it while others act, and lets it through when nobody counts on it any more.

This is a hook that takes its time. Nothing but the branch itself tells whether such a push still arrives. It is kept in
a repository of its own, to which nobody else pushes: any other commit would shut it out, whatever DAG does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from acceptance.faults import git_host, processes
from acceptance.faults.storm import ENDS_WITHIN, Storm, Strike
from acceptance.harness.ci import Order
from acceptance.harness.gates import Gate
from acceptance.harness.interventions import cut_connections
from acceptance.harness.landscape import Place
from acceptance.harness.outside import pushes
from starlette.requests import Request

REPOSITORY = "iac-late"
PLACES = tuple(Place(f"env-late-{number}", REPOSITORY, watched=False) for number in range(3))
TRIES = 3
"""A pusher that comes fresh may push again before the cancel is there: nothing is late then."""
HELD_SECONDS = (0.0, 3.0)
"""How much longer a push is held than until what is in it has ended without it."""

Replaced = Callable[[Storm, random.Random], AbstractAsyncContextManager[None]]
"""Makes others act in the place of the pushers there are, for the block."""


@asynccontextmanager
async def _killed(storm: Storm, _draw: random.Random) -> AsyncIterator[None]:
    """Every pusher is killed; those that come after them look for what was in hand."""
    for pusher in storm.scene.dag.services["pusher"]:
        await pusher.kill()
    yield


@asynccontextmanager
async def _frozen(storm: Storm, draw: random.Random) -> AsyncIterator[None]:
    """Every pusher stands still, its lock may be cut, and a fresh one acts; then they go on as if nothing was."""
    pushers = [*storm.scene.dag.services["pusher"]]
    for pusher in pushers:
        pusher.freeze()
    try:
        if draw.random() < 0.5:
            await cut_connections(storm.scene.database_url)
        async with storm.supervisor.one_more("pusher"):
            yield
    finally:
        for pusher in pushers:
            pusher.thaw()


def _late(replaced: Replaced, name: str) -> Strike:
    async def strike(storm: Storm, draw: random.Random) -> int:
        """Returns how many deployments ended cancelled while they were on their way."""
        for _ in range(TRIES):
            if hit := await late(storm, draw):
                return hit
        return 0

    async def late(storm: Storm, draw: random.Random) -> int:
        orders = [storm.scene.ci.order(place.environment) for place in draw.sample(PLACES, draw.randint(1, 3))]
        async with _turn(storm), _held_push(storm, orders) as gate, replaced(storm, draw):
            ends = await asyncio.gather(*(_cancelled(storm, order) for order in orders))
            await asyncio.sleep(draw.uniform(*HELD_SECONDS))
            gate.open()
        return ends.count("failed")

    strike.__name__ = name
    return strike


@asynccontextmanager
async def _turn(storm: Storm) -> AsyncIterator[None]:
    """Nothing else befalls the pushers, nor the git host: one that refuses to have its branch closed leaves a doubt.

    Such a deployment ends, is told to be in doubt, and may arrive; no audit could tell that from a lie.
    """
    async with storm.turns[git_host.__name__], storm.turns[processes.__name__]:
        yield


@asynccontextmanager
async def _held_push(storm: Storm, orders: list[Order]) -> AsyncIterator[Gate]:
    """The first push of these orders was sent and is held."""
    gate = storm.scene.outside.gates.git.hold(_pushes_here, sent=True)
    try:
        await asyncio.gather(*(storm.scene.ci.submit(order) for order in orders))
        await gate.reached(within=ENDS_WITHIN)
        yield gate
    finally:
        gate.open()


async def _cancelled(storm: Storm, order: Order) -> str:
    """Cancel an order and wait for its end; returns the status."""
    reader = storm.scene.ci.follow(order)
    _, journey = await asyncio.gather(storm.scene.ci.cancel(order), reader.end(within=ENDS_WITHIN))
    return journey.status


def _pushes_here(request: Request) -> bool:
    return pushes(request) and request.url.path.startswith(f"/{REPOSITORY}.git/")


FAULTS: tuple[Strike, ...] = (
    _late(_killed, "git_delivers_the_push_of_a_killed_pusher_late"),
    _late(_frozen, "git_delivers_the_push_of_a_frozen_pusher_late"),
)
