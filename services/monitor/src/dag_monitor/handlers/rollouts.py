"""Watch a deployment's targets to their end, or hand the watch over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from dag_common.bus.seam import Message
from dag_common.contracts.codec import decode_record
from dag_common.contracts.events import DeploymentId, Event, RolloutProgressed
from dag_common.domain.deployment import Deployment
from dag_common.errors import Conflict
from dag_common.runtime.clock import monotonic
from dag_common.store.streams import Decision, Streams
from dag_monitor.domain.rollout import Sight, decide, next_look, unexplained
from dag_monitor.handlers.hands import Hands, Hold
from dag_monitor.handlers.judging import Judging, Lookout

log = structlog.get_logger()

LONGEST_PAUSE = 30.0
"""Seconds after which a rollout is looked at again although nothing was heard of it."""


class Continuation(Protocol):
    """Where a watch goes on that this process lets go of."""

    async def __call__(self, message: Message) -> None:
        """Publish the message to the monitors' queue; returns when it is confirmed."""


class Rollouts:
    """The watches of one monitor. What is recorded survives it; everything else can be seen again."""

    def __init__(
        self, streams: Streams, lookout: Lookout, hands: Hands, hand_over: Continuation, clock: Callable[[], datetime]
    ) -> None:
        """`clock` is the log's: deadlines count from what the log recorded."""
        self._streams = streams
        self._lookout = lookout
        self._hands = hands
        self._hand_over = hand_over
        self._clock = clock

    async def when_chart_pushed_watch_rollout(self, message: Message) -> None:
        """Handle a wake-up: watch to the end, but hold the message no longer than allowed, then hand it over.

        RabbitMQ takes a message away from whoever holds it for 30 minutes (its `consumer_timeout`). What is in hand
        already needs no second message, and what finds no hand free is found on the to-do list by one that is.
        """
        deployment_id = decode_record(message.body).deployment_id
        with self._hands.hold(deployment_id) as hold:
            settled = hold is None or await self._watch(deployment_id, hold)
        if not settled:
            await self._hand_over(message)

    async def _watch(self, deployment_id: DeploymentId, hold: Hold) -> bool:
        """Watch until the end; False if the watch is to go on elsewhere."""
        deployment = await self._streams.load(deployment_id)
        if deployment.ended or deployment.pushed is None:
            return True
        log.info("rollout_watched", deployment_id=deployment_id)
        async with self._lookout.on(deployment, hold.changed) as judging:
            deployment = await self._follow(deployment, judging, hold)
        if hold.lost and not deployment.ended:
            log.info("rollout_left", deployment_id=deployment_id)
            return True
        if deployment.ended:
            log.info("rollout_ended", deployment_id=deployment_id, status=deployment.status)
        return deployment.ended

    async def _follow(self, deployment: Deployment, judging: Judging, hold: Hold) -> Deployment:
        """Record what is seen, for as long as the deployment is ours to follow."""
        told: dict[str, datetime] = {}
        while not (deployment.ended or hold.lost or hold.leaving or monotonic() >= hold.until):
            hold.changed.clear()
            sight = Sight(await judging.verdicts(deployment), told)
            if failing := unexplained(deployment, sight, self._clock()):
                sight = replace(sight, causes=await judging.causes(deployment, failing))
            deployment = await self._record(deployment, sight, told, hold)
            await self._pause(deployment, sight, hold)
        return deployment

    async def _record(self, deployment: Deployment, sight: Sight, told: dict[str, datetime], hold: Hold) -> Deployment:
        """Append what follows; what somebody appended meanwhile is loaded, and decided on without waiting for news."""
        moment = self._clock()
        events = decide(deployment, sight, moment)
        if not events:
            return deployment
        try:
            (moved,) = await self._streams.append(Decision(deployment, events))
        except Conflict:
            hold.changed.set()
            return await self._streams.load(deployment.id)
        told.update(dict.fromkeys(_progressed(events), moment))
        return moved

    async def _pause(self, deployment: Deployment, sight: Sight, hold: Hold) -> None:
        """Sleep until there is news, until the decision may differ without any, or until the message must go."""
        if deployment.ended or hold.lost or hold.leaving:
            return
        look = next_look(deployment, sight)
        seconds = LONGEST_PAUSE if look is None else max(0.0, (look - self._clock()).total_seconds())
        try:
            async with asyncio.timeout(min(seconds, LONGEST_PAUSE, max(0.0, hold.until - monotonic()))):
                await hold.changed.wait()
        except TimeoutError:
            return


def _progressed(events: list[Event]) -> list[str]:
    return [event.target for event in events if isinstance(event, RolloutProgressed)]
