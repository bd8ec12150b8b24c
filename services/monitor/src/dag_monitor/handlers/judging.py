"""The verdicts on one deployment's targets. A bug met in one of them is told, and hurts no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from dag_common.contracts.events import RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_monitor.domain.expectation import Knowledge, Objects, expect
from dag_monitor.domain.judges import judge_for
from dag_monitor.domain.rollout import open_targets
from dag_monitor.domain.sighting import Seen, Sighting, Unseen
from dag_monitor.domain.verdict import Progressing, Verdict
from dag_monitor.domain.wording import sentences
from dag_monitor.handlers.kicking import Kicker, Kicking

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

    async def knowledge(self, deployment: Deployment, seen: Collection[str], changed: asyncio.Event) -> Knowledge:
        """Everything known now, also of the commits that were seen; sets `changed` when it is more."""


class Inspector(Protocol):
    """Who may ask a cluster what is wrong there."""

    async def inspect(self, target: RolloutTarget, objects: Objects, pushed_at: datetime) -> tuple[str, ...]:
        """Lines for the person who reads why a rollout failed; never raises, and takes a few seconds at most."""


class Judging:
    """Looks and judges, again and again; it remembers what it saw last, and which bugs it has told of.

    `changed` is set when more is known than before.
    """

    def __init__(
        self,
        history: History,
        windows: Mapping[str, Window],
        kicking: Kicking,
        inspector: Inspector,
        changed: asyncio.Event,
    ) -> None:
        self._history = history
        self._changed = changed
        self._windows = windows
        self._kicking = kicking
        self._inspector = inspector
        self._seen: dict[str, Objects] = {}
        self._told: dict[str, type[Exception]] = {}

    async def verdicts(self, deployment: Deployment) -> dict[str, Verdict]:
        """What is to be said of each open target now. Raises `Unavailable` when the log cannot be asked."""
        # Look first, ask the log then: what is seen of a newer push is in the log by the time it is asked.
        sightings = {target.id: await self._look(target) for target in open_targets(deployment)}
        seen = frozenset[str]().union(*(_revisions(each, sightings[each.id]) for each in open_targets(deployment)))
        knowledge = await self._history.knowledge(deployment, seen, self._changed)
        return {
            target.id: self._verdict(deployment, target, sightings[target.id], knowledge)
            for target in open_targets(deployment)
        }

    async def causes(self, deployment: Deployment, targets: Collection[str]) -> dict[str, tuple[str, ...]]:
        """What the clusters say is wrong at these targets, all asked at once."""
        pushed_at = deployment.pushed_at
        asked = [target for target in open_targets(deployment) if target.id in targets and pushed_at]
        found = await asyncio.gather(
            *(self._inspector.inspect(each, self._seen.get(each.id, {}), pushed_at) for each in asked if pushed_at)
        )
        return {target.id: lines for target, lines in zip(asked, found, strict=True)}

    async def _look(self, target: RolloutTarget) -> Sighting:
        try:
            sighting = await self._windows[target.id].look()
        except Exception as exc:  # noqa: BLE001 - objects are as odd as their writers; the target waits for its deadline
            return Unseen(self._baffled(target, exc))
        if isinstance(sighting, Seen):
            self._seen[target.id] = sighting.objects
        return sighting

    def _verdict(
        self, deployment: Deployment, target: RolloutTarget, sighting: Sighting, knowledge: Knowledge
    ) -> Verdict:
        if isinstance(sighting, Unseen):
            return Progressing(sighting.reason)
        try:
            expected = expect(deployment, target, knowledge)
            verdict = judge_for(target.kind).assess(sighting.objects, expected)
            note = self._kicking.note(target, sighting.objects, expected) if isinstance(verdict, Progressing) else ""
        except Exception as exc:  # noqa: BLE001 - as above
            return Progressing(self._baffled(target, exc))
        self._told.pop(target.id, None)
        return replace(verdict, message=sentences(verdict.message, note)) if note else verdict

    def _baffled(self, target: RolloutTarget, exc: Exception) -> str:
        """The sentence for people: without the error's text, which may hold anything. The log has it, once."""
        if self._told.get(target.id) is not type(exc):
            log.error("target_not_judged", target=target.id, exc_info=exc)
            self._told[target.id] = type(exc)
        return f"It cannot be judged: DAG met an error of its own ({type(exc).__name__}), told in the monitor's log"


def _revisions(target: RolloutTarget, sighting: Sighting) -> frozenset[str]:
    """The commits in what was seen; none if reading it fails, and then the judge fails too, and is heard."""
    if isinstance(sighting, Unseen):
        return frozenset()
    try:
        return judge_for(target.kind).revisions(sighting.objects, target)
    except Exception:  # noqa: BLE001 - see above
        return frozenset()


class Lookout:
    """Where deployments are watched from, and their reconcilers told: the clusters and the log."""

    def __init__(self, windows: Windows, history: History, kicker: Kicker, inspector: Inspector) -> None:
        self._windows = windows
        self._history = history
        self._kicker = kicker
        self._inspector = inspector

    @asynccontextmanager
    async def on(self, deployment: Deployment, changed: asyncio.Event) -> AsyncIterator[Judging]:
        """A view of every open target; `changed` is set when there is news in one of them."""
        async with AsyncExitStack() as stack:
            windows = {
                target.id: await stack.enter_async_context(self._windows.open(target, changed))
                for target in open_targets(deployment)
            }
            kicking = await stack.enter_async_context(Kicking(self._kicker, changed))
            yield Judging(self._history, windows, kicking, self._inspector, changed)
