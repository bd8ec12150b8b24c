"""One group commit: announce, build, push, record; after a race, once more on the new tip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from dag_common.contracts.events import ChartPushed, DeploymentFailed, Event, PushStarted, ValidationStarted
from dag_common.domain.deployment import Deployment, load
from dag_common.domain.statuses import Status
from dag_common.errors import Conflict, DagError, Unavailable, Unreadable
from dag_common.iac.mirror import Upstream
from dag_common.runtime.clock import now
from dag_common.store.streams import Decision, Streams
from dag_common.store.todo import Lane, PushEntry
from dag_pusher.domain.batch import Batch, WaitingChart
from dag_pusher.domain.outcome import Outcome, Pushed, Rejected
from dag_pusher.domain.recording import failed, pushed
from dag_pusher.handlers.preparation import Preparation, Prepared, Waiting

log = structlog.get_logger()

BATCH_BYTES = 32 << 20
"""Charts (as sent, compressed) that one batch holds in memory at most; the first is always taken."""


class Branch(Protocol):
    """One branch of one IaC repository, as the git room offers it."""

    async def look(self) -> Upstream:
        """The branch as it is now."""

    async def prepare(self, charts: Sequence[WaitingChart], upstream: Upstream) -> Batch:
        """Build one chain of commits."""

    async def push(self, batch: Batch) -> Outcome:
        """Send it."""


class GroupCommit:
    """Pushes what waits at the head of a lane as one chain of commits.

    Every step is recorded before its effect or found again after it: killed at any line, the next attempt sees in
    the log which tips were built on, and in git, by the trailers, what arrived.
    """

    def __init__(
        self, streams: Streams, preparation: Preparation, branches: Callable[[Lane], Branch], *, deadline: float
    ) -> None:
        self._streams = streams
        self._preparation = preparation
        self._branches = branches
        self._deadline = deadline

    async def push(self, lane: Lane, entries: list[PushEntry]) -> bool:
        """Deal with the first entries; False if this code can read none of them.

        Raises `Conflict` to be called again on a fresh look, and `Unavailable` when the git host cannot be asked;
        what has waited longer than the deadline fails then.
        """
        waiting = await self._begin(await self._load(entries))
        if not waiting:
            return False
        try:
            await self._push(self._branches(lane), waiting)
        except (Unavailable, Conflict) as exc:
            await self._fail_overdue(waiting, exc)
            raise
        return True

    async def _load(self, entries: list[PushEntry]) -> list[Waiting]:
        records = await self._streams.load_records([entry.deployment_id for entry in entries])
        waiting: list[Waiting] = []
        size = 0
        for entry in entries:
            history = records[entry.deployment_id]
            try:
                one = Waiting(load(entry.deployment_id, history), history[0])
            except Unreadable as exc:
                log.error("entry_skipped", deployment_id=entry.deployment_id, reason=exc.message)  # noqa: TRY400
                continue
            if one.deployment.ended or one.deployment.pushed is not None:
                raise Conflict(f"{entry.deployment_id} was taken off the list meanwhile")
            size += one.deployment.requested.chart.size if one.deployment.requested else 0
            if waiting and size > BATCH_BYTES:
                break
            waiting.append(one)
        return waiting

    async def _begin(self, waiting: list[Waiting]) -> list[Waiting]:
        return await self._announce(
            waiting, lambda each: (ValidationStarted(),) if each.status is Status.PENDING else ()
        )

    async def _announce(self, waiting: list[Waiting], events: Callable[[Deployment], Sequence[Event]]) -> list[Waiting]:
        decisions = [Decision(each.deployment, events(each.deployment)) for each in waiting]
        states = await self._streams.append(*decisions)
        return [Waiting(state, each.request) for state, each in zip(states, waiting, strict=True)]

    async def _push(self, branch: Branch, waiting: list[Waiting]) -> None:
        upstream = await branch.look()
        base = upstream.tip.commit if upstream.tip else ""
        waiting = await self._announce(waiting, lambda each: (PushStarted(attempt=each.push_attempts + 1, base=base),))
        prepared = [await self._preparation.prepare(each) for each in waiting]
        batch = await branch.prepare([each.chart for each in prepared], upstream)
        outcome = await branch.push(batch)
        if isinstance(outcome, Rejected) and len(waiting) > 1:
            log.warning("batch_rejected", size=len(waiting), words=outcome.message)
            await self._push_one_by_one(branch, waiting)
        elif isinstance(outcome, Pushed | Rejected):
            await self._record(waiting, prepared, batch, outcome)
        else:
            raise Conflict(outcome.message)

    async def _push_one_by_one(self, branch: Branch, waiting: list[Waiting]) -> None:
        for each in waiting:
            await self._push(branch, [each])

    async def _record(
        self, waiting: list[Waiting], prepared: list[Prepared], batch: Batch, outcome: Pushed | Rejected
    ) -> None:
        versions = {each.chart.deployment_id: each.chart_version for each in prepared}
        events = {each.candidate.deployment_id: failed(each.problem) for each in batch.unusable}
        for landed in batch.landed:
            requested = next(w.deployment.requested for w in waiting if w.deployment.id == landed.deployment_id)
            assert requested is not None  # noqa: S101 - what waits was requested
            events[landed.deployment_id] = (
                pushed(requested, landed, versions[landed.deployment_id])
                if isinstance(outcome, Pushed) or landed.settled
                else (DeploymentFailed(stage="pushing", reason="rejected", message=_rejection(outcome)),)
            )
        decisions = [Decision(each.deployment, events[each.deployment.id]) for each in waiting]
        await self._streams.append(*decisions)
        for decision in decisions:
            _tell(decision)

    async def _fail_overdue(self, waiting: list[Waiting], reason: DagError) -> None:
        late = [each.deployment.id for each in waiting if self._is_overdue(each.deployment)]
        current = [await self._streams.load(deployment_id) for deployment_id in late]
        overdue = [each for each in current if not each.ended and each.pushed is None]
        message = f"not pushed within {self._deadline:.0f} s: {reason.message}"
        await self._streams.append(
            *(
                Decision(each, (DeploymentFailed(stage=each.status, reason="push_deadline", message=message),))
                for each in overdue
            )
        )

    def _is_overdue(self, deployment: Deployment) -> bool:
        asked = deployment.requested_at
        return asked is not None and (now() - asked).total_seconds() > self._deadline


def _rejection(outcome: Rejected) -> str:
    return f"The git host rejected the push: {outcome.message}"


def _tell(decision: Decision) -> None:
    last = decision.events[-1]
    first = decision.events[0]
    if isinstance(first, ChartPushed):
        log.info("chart_pushed", deployment_id=decision.deployment.id, commit=first.commit, unchanged=first.unchanged)
    elif isinstance(last, DeploymentFailed):
        log.info("deployment_failed", deployment_id=decision.deployment.id, stage=last.stage, reason=last.reason)
