"""Watch a deployment's targets to their end, or hand the watch over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime
from typing import Protocol

import structlog

from dag_common.bus.seam import Message
from dag_common.contracts.codec import decode_record
from dag_common.contracts.events import DeploymentId, Event, RolloutProgressed, RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_common.errors import Conflict
from dag_common.runtime.clock import monotonic, now
from dag_common.store.streams import Decision, Streams
from dag_monitor.domain.expectation import Knowledge, expect
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.rollout import Sight, decide, next_look, open_targets
from dag_monitor.domain.sighting import Sighting, Unseen
from dag_monitor.domain.verdict import Progressing, Verdict

log = structlog.get_logger()

LONGEST_PAUSE = 30.0
"""Seconds after which a rollout is looked at again although nothing was heard of it."""


class Window(Protocol):
    """One target's view of its cluster."""

    async def look(self) -> Sighting:
        """What is known now."""


class Windows(Protocol):
    """Opens views."""

    def open(self, target: RolloutTarget, changed: asyncio.Event) -> AbstractAsyncContextManager[Window]:
        """A view that sets `changed` when there is news in it."""


class History(Protocol):
    """What the log knows of the pushes around a deployment's own."""

    async def knowledge(self, deployment: Deployment) -> Knowledge:
        """Everything known now."""


class Continuation(Protocol):
    """Where a watch goes on that this process lets go of."""

    async def __call__(self, message: Message) -> None:
        """Publish the message to the monitors' queue; returns when it is confirmed."""


class Rollouts:
    """The watches of one monitor. What is recorded survives it; everything else can be seen again."""

    def __init__(
        self, streams: Streams, history: History, windows: Windows, hand_over: Continuation, *, hold_seconds: float
    ) -> None:
        self._streams = streams
        self._history = history
        self._windows = windows
        self._hand_over = hand_over
        self._hold_seconds = hold_seconds
        self._letting_go = asyncio.Event()
        self._in_hand: dict[DeploymentId, asyncio.Event] = {}

    @property
    def in_hand(self) -> frozenset[DeploymentId]:
        """The deployments watched here now."""
        return frozenset(self._in_hand)

    def let_go(self) -> None:
        """Hand every watch over at once: this process is about to stop."""
        self._letting_go.set()
        for changed in self._in_hand.values():
            changed.set()

    async def when_chart_pushed_watch_rollout(self, message: Message) -> None:
        """Handle a wake-up: watch to the end, but hold the message no longer than allowed, then hand it over.

        RabbitMQ takes a message away from whoever holds it for 30 minutes (its `consumer_timeout`).
        """
        deployment_id = decode_record(message.body).deployment_id
        if deployment_id in self._in_hand:
            return
        deployment = await self._streams.load(deployment_id)
        if deployment.ended or deployment.pushed is None:
            return
        changed = self._in_hand[deployment_id] = asyncio.Event()
        try:
            ended = await self._watch(deployment, changed)
        finally:
            del self._in_hand[deployment_id]
        if not ended:
            await self._hand_over(message)

    async def _watch(self, deployment: Deployment, changed: asyncio.Event) -> bool:
        until = monotonic() + self._hold_seconds
        told: dict[str, datetime] = {}
        async with AsyncExitStack() as stack:
            windows = {
                target.id: await stack.enter_async_context(self._windows.open(target, changed))
                for target in open_targets(deployment)
            }
            while not deployment.ended:
                changed.clear()
                if self._letting_go.is_set() or monotonic() >= until:
                    return False
                sight = Sight(await self._verdicts(deployment, windows), told)
                deployment = await self._record(deployment, sight, told)
                await self._pause(deployment, Sight(sight.verdicts, told), changed, until)
        log.info("rollout_ended", deployment_id=deployment.id, status=deployment.status)
        return True

    async def _verdicts(self, deployment: Deployment, windows: Mapping[str, Window]) -> dict[str, Verdict]:
        # Look first, ask the log then: what is seen of a newer push is in the log by the time it is asked.
        sightings = {target.id: await windows[target.id].look() for target in open_targets(deployment)}
        knowledge = await self._history.knowledge(deployment)
        return {
            target.id: _verdict(deployment, target, sightings[target.id], knowledge)
            for target in open_targets(deployment)
        }

    async def _record(self, deployment: Deployment, sight: Sight, told: dict[str, datetime]) -> Deployment:
        moment = now()
        events = decide(deployment, sight, moment)
        if not events:
            return deployment
        try:
            (moved,) = await self._streams.append(Decision(deployment, events))
        except Conflict:
            return await self._streams.load(deployment.id)
        told.update(dict.fromkeys(_progressed(events), moment))
        return moved

    async def _pause(self, deployment: Deployment, sight: Sight, changed: asyncio.Event, until: float) -> None:
        """Sleep until there is news, until the decision may differ without any, or until the message must go."""
        if deployment.ended:
            return
        look = next_look(deployment, sight)
        seconds = LONGEST_PAUSE if look is None else max(0.0, (look - now()).total_seconds())
        try:
            async with asyncio.timeout(min(seconds, LONGEST_PAUSE, max(0.0, until - monotonic()))):
                await changed.wait()
        except TimeoutError:
            return


def _verdict(deployment: Deployment, target: RolloutTarget, sighting: Sighting, knowledge: Knowledge) -> Verdict:
    if isinstance(sighting, Unseen):
        return Progressing(sighting.reason)
    return judge_for(target.kind).assess(sighting.objects, expect(deployment, target, knowledge))


def _progressed(events: list[Event]) -> list[str]:
    return [event.target for event in events if isinstance(event, RolloutProgressed)]
