"""The verdicts on one deployment's targets. A bug met in one of them is told, and hurts no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import structlog

from dag_common.contracts.events import RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_monitor.domain.expectation import Knowledge, expect
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.rollout import open_targets
from dag_monitor.domain.sighting import Sighting, Unseen
from dag_monitor.domain.verdict import Progressing, Verdict

log = structlog.get_logger()


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


class Judging:
    """Looks and judges, again and again; it remembers only which bugs it has told of."""

    def __init__(self, history: History, windows: Mapping[str, Window]) -> None:
        self._history = history
        self._windows = windows
        self._told: dict[str, type[Exception]] = {}

    async def verdicts(self, deployment: Deployment) -> dict[str, Verdict]:
        """What is to be said of each open target now. Raises `Unavailable` when the log cannot be asked."""
        # Look first, ask the log then: what is seen of a newer push is in the log by the time it is asked.
        sightings = {target.id: await self._look(target) for target in open_targets(deployment)}
        knowledge = await self._history.knowledge(deployment)
        return {
            target.id: self._verdict(deployment, target, sightings[target.id], knowledge)
            for target in open_targets(deployment)
        }

    async def _look(self, target: RolloutTarget) -> Sighting:
        try:
            return await self._windows[target.id].look()
        except Exception as exc:  # noqa: BLE001 - objects are as odd as their writers; the target waits for its deadline
            return Unseen(self._baffled(target, exc))

    def _verdict(
        self, deployment: Deployment, target: RolloutTarget, sighting: Sighting, knowledge: Knowledge
    ) -> Verdict:
        if isinstance(sighting, Unseen):
            return Progressing(sighting.reason)
        try:
            verdict = judge_for(target.kind).assess(sighting.objects, expect(deployment, target, knowledge))
        except Exception as exc:  # noqa: BLE001 - as above
            return Progressing(self._baffled(target, exc))
        self._told.pop(target.id, None)
        return verdict

    def _baffled(self, target: RolloutTarget, exc: Exception) -> str:
        """The sentence for people: without the error's text, which may hold anything. The log has it, once."""
        if self._told.get(target.id) is not type(exc):
            log.error("target_not_judged", target=target.id, exc_info=exc)
            self._told[target.id] = type(exc)
        return f"It cannot be judged: DAG met an error of its own ({type(exc).__name__}), told in the monitor's log"


class Lookout:
    """Where deployments are watched from: the clusters and the log."""

    def __init__(self, windows: Windows, history: History) -> None:
        self._windows = windows
        self._history = history

    @asynccontextmanager
    async def on(self, deployment: Deployment, changed: asyncio.Event) -> AsyncIterator[Judging]:
        """A view of every open target; `changed` is set when there is news in one of them."""
        async with AsyncExitStack() as stack:
            windows = {
                target.id: await stack.enter_async_context(self._windows.open(target, changed))
                for target in open_targets(deployment)
            }
            yield Judging(self._history, windows)
