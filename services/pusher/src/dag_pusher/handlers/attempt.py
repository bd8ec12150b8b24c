"""One attempt to push: look, announce, build, push, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from dag_common.contracts.events import (
    ChartPushed,
    DeploymentFailed,
    DeploymentId,
    Event,
    PushStarted,
    ValidationStarted,
)
from dag_common.domain.statuses import Status
from dag_common.errors import Conflict, DagError, Unavailable
from dag_common.iac.mirror import Upstream
from dag_common.store.streams import Decision, Streams
from dag_common.store.todo import Lane
from dag_pusher.domain.batch import Batch, Landed, WaitingChart
from dag_pusher.domain.ending import unfenced
from dag_pusher.domain.outcome import Outcome, Pushed, Raced
from dag_pusher.domain.recording import failed, pushed, rejected
from dag_pusher.handlers.intake import Waiting
from dag_pusher.handlers.preparation import Preparation

log = structlog.get_logger()

UNPACKED_BYTES = 64 << 20
"""Charts, unpacked, after which an attempt takes no further one: what they unpack to is only known afterwards."""


class Branch(Protocol):
    """One branch of one IaC repository, as the git room offers it."""

    async def look(self) -> Upstream:
        """The branch as it is now."""

    async def prepare(self, charts: Sequence[WaitingChart], upstream: Upstream) -> Batch:
        """Build one chain of commits."""

    async def push(self, batch: Batch) -> Outcome:
        """Send it."""


class Attempt:
    """Sends what waits to its branch as one chain of commits, and records what became of each.

    Every step is recorded before its effect or found again after it: killed at any line, the next attempt sees in
    the log which tips were built on, and in git, by the trailers, what arrived.
    """

    def __init__(self, streams: Streams, preparation: Preparation, branches: Callable[[Lane], Branch]) -> None:
        self._streams = streams
        self._preparation = preparation
        self._branches = branches

    async def push(self, lane: Lane, waiting: Sequence[Waiting]) -> None:
        """Until each has landed or failed. Raises `Conflict` after a race, `Unavailable` if git cannot be asked."""
        await self._send(lane, await self._begin(waiting))

    async def _send(self, lane: Lane, waiting: Sequence[Waiting]) -> None:
        branch, upstream = await self._look(lane)
        charts = await self._charts(waiting)
        waiting = await self._start(waiting[: len(charts)], upstream.tip.commit if upstream.tip else "")
        batch = await branch.prepare(charts, upstream)
        waiting = await self._record_settled(waiting, batch)
        if not waiting:
            return
        outcome = await branch.push(batch)
        if isinstance(outcome, Raced):
            raise Conflict(outcome.message)
        if isinstance(outcome, Pushed):
            await self._record_sent(waiting, batch)
        elif len(waiting) > 1:
            log.warning("batch_rejected", size=len(waiting), words=outcome.message)
            for each in waiting:
                await self._send(lane, [each])
        else:
            await self._reject(lane, waiting[0], batch, outcome.message)

    async def _look(self, lane: Lane) -> tuple[Branch, Upstream]:
        """The branch, looked at. What goes wrong here, foreseen or not, is the fault of no deployment."""
        try:
            branch = self._branches(lane)
            return branch, await branch.look()
        except DagError:
            raise
        except Exception as exc:
            log.exception("look_failed", repository=lane.repository, branch=lane.branch)
            raise Unavailable(told(exc)) from exc

    async def _charts(self, waiting: Sequence[Waiting]) -> list[WaitingChart]:
        """Of the first, at least one, as many as may be held in memory; the others wait for the next attempt."""
        charts: list[WaitingChart] = []
        while len(charts) < len(waiting) and sum(chart.size for chart in charts) < UNPACKED_BYTES:
            charts.append(await self._preparation.prepare(waiting[len(charts)]))
        return charts

    async def _begin(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        return await self._announce(
            waiting, lambda each: (ValidationStarted(),) if each.deployment.status is Status.PENDING else ()
        )

    async def _start(self, waiting: Sequence[Waiting], base: str) -> list[Waiting]:
        return await self._announce(
            waiting,
            lambda each: () if each.too_late else (PushStarted(attempt=each.deployment.push_attempts + 1, base=base),),
        )

    async def _announce(
        self, waiting: Sequence[Waiting], events: Callable[[Waiting], Sequence[Event]]
    ) -> list[Waiting]:
        states = await self._streams.append(*(Decision(each.deployment, events(each)) for each in waiting))
        return [replace(each, deployment=state) for state, each in zip(states, waiting, strict=True)]

    async def _record_settled(self, waiting: Sequence[Waiting], batch: Batch) -> list[Waiting]:
        """Record what no push changes any more; returns the others."""
        certain = {which: end for which, end in _failed(batch).items() if which not in batch.doubtful}
        known = certain | _pushed(waiting, batch.settled)
        await self.record([Decision(w.deployment, known[w.deployment.id]) for w in waiting if w.deployment.id in known])
        return [each for each in waiting if each.deployment.id not in known]

    async def _record_sent(self, waiting: Sequence[Waiting], batch: Batch) -> None:
        """The branch has moved: what was sent is there, and what was in doubt never comes."""
        known = _failed(batch) | _pushed(waiting, batch.to_send)
        await self.record([Decision(each.deployment, known[each.deployment.id]) for each in waiting])

    async def _reject(self, lane: Lane, one: Waiting, batch: Batch, words: str) -> None:
        """The server refuses this one. It ends, but only when no earlier attempt of it can arrive any more."""
        problem = batch.problem_of(one.deployment.id)
        if problem is not None:
            await self.record([Decision(one.deployment, failed(unfenced(problem, words)))])
        elif batch.base in one.unsettled:
            await self._send(lane, [replace(one, too_late=rejected(words))])
        else:
            await self.record([Decision(one.deployment, failed(rejected(words)))])

    async def record(self, decisions: Sequence[Decision]) -> None:
        """Append and tell what was decided. Raises `Conflict` if a deployment moved on meanwhile."""
        await self._streams.append(*decisions)
        for decision in decisions:
            _tell(decision)


def told(error: Exception) -> str:
    """An error as people may read it; the text of one nobody foresaw may hold anything, so only its type is told."""
    return error.message if isinstance(error, DagError) else f"DAG failed ({type(error).__name__}); see its logs"


def _pushed(waiting: Sequence[Waiting], landed: Sequence[Landed]) -> dict[DeploymentId, tuple[Event, ...]]:
    requests = {each.deployment.id: each.requested for each in waiting}
    return {each.deployment_id: pushed(requests[each.deployment_id], each) for each in landed}


def _failed(batch: Batch) -> dict[DeploymentId, tuple[Event, ...]]:
    return {each.candidate.deployment_id: failed(each.problem) for each in batch.unusable}


def _tell(decision: Decision) -> None:
    last = decision.events[-1]
    first = decision.events[0]
    if isinstance(first, ChartPushed):
        log.info("chart_pushed", deployment_id=decision.deployment.id, commit=first.commit, unchanged=first.unchanged)
    elif isinstance(last, DeploymentFailed):
        log.info("deployment_failed", deployment_id=decision.deployment.id, stage=last.stage, reason=last.reason)
