"""One group commit: what waits at the head of a lane goes into one push, and what goes wrong strikes one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from dag_common.errors import Conflict, Unavailable
from dag_common.runtime.lifecycle import backoff
from dag_common.store.streams import Decision, Streams
from dag_common.store.todo import Lane, PushEntry
from dag_pusher.domain.ending import broken, internal_error
from dag_pusher.handlers.attempt import Attempt, Branch, told
from dag_pusher.handlers.intake import Intake, Waiting
from dag_pusher.handlers.preparation import Preparation

log = structlog.get_logger()

UNFORESEEN_ATTEMPTS = 3
"""How often an error nobody foresaw may strike a deployment before it fails: the first may be a passing one."""

PAUSE_SECONDS = 1.0
"""About how long to wait after the second of them."""


class GroupCommit:
    """Deals with what waits at the head of a lane, in the order of positions."""

    def __init__(
        self, streams: Streams, preparation: Preparation, branches: Callable[[Lane], Branch], *, deadline: float
    ) -> None:
        self._intake = Intake(streams, deadline=deadline)
        self._attempt = Attempt(streams, preparation, branches)

    async def push(self, lane: Lane, entries: list[PushEntry]) -> bool:
        """Deal with the first entries; False if this code can read none of them.

        Raises `Conflict` to be called again on a fresh look, and `Unavailable` when the git host cannot be asked;
        what has waited longer than the deadline fails then, and after any other error too.
        """
        try:
            return await self._deal_with(lane, entries)
        except Conflict:
            raise
        except Exception as exc:
            await self._attempt.record(await self._intake.overdue(entries, told(exc)))
            raise

    async def _deal_with(self, lane: Lane, entries: list[PushEntry]) -> bool:
        taken = await self._intake.take(entries)
        await self._attempt.record(taken.ended)
        if taken.waiting:
            await self._push_together(lane, taken.waiting)
        return bool(taken.waiting or taken.ended)

    async def _push_together(self, lane: Lane, waiting: Sequence[Waiting]) -> None:
        """All in one push; if anything goes wrong that nobody foresaw, one by one, so that it strikes one alone."""
        try:
            await self._attempt.push(lane, waiting)
        except (Unavailable, Conflict):
            raise
        except Exception:
            log.exception("batch_failed", repository=lane.repository, branch=lane.branch, size=len(waiting))
            for each in waiting:
                await self._push_alone(lane, each)

    async def _push_alone(self, lane: Lane, one: Waiting) -> None:
        error = ""
        for attempt in range(1, UNFORESEEN_ATTEMPTS):
            try:
                await self._push_again(lane, one)
            except (Unavailable, Conflict):
                raise
            except Exception as exc:
                log.exception("push_failed", deployment_id=one.deployment.id, attempt=attempt)
                error = type(exc).__name__
            else:
                return
            await asyncio.sleep(backoff(attempt, first=PAUSE_SECONDS))
        await self._give_up(lane, replace(one, too_late=internal_error(error)))

    async def _give_up(self, lane: Lane, one: Waiting) -> None:
        """Record it if an earlier attempt arrived, else fail it."""
        try:
            await self._push_again(lane, one)
        except (Unavailable, Conflict):
            raise
        except Exception as exc:
            log.exception("search_failed", deployment_id=one.deployment.id)
            if now := await self._intake.again(one):
                end = broken(now.deployment, type(exc).__name__)
                await self._attempt.record([Decision(now.deployment, (end,))])

    async def _push_again(self, lane: Lane, one: Waiting) -> None:
        now = await self._intake.again(one)
        if now is not None:
            await self._attempt.push(lane, [now])
