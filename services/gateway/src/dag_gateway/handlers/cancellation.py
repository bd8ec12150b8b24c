"""Somebody wants a deployment ended: who may is checked, the wish is recorded, and what becomes of it is waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from dag_common.contracts.events import DeploymentId
from dag_common.domain.deployment import Deployment
from dag_common.errors import Conflict, NotFound, Unavailable, Unproven
from dag_common.runtime.clock import monotonic
from dag_common.store.streams import Decision, Streams
from dag_gateway.admission import Admission, Asked, Proven
from dag_gateway.domain.cancellation import cancel, refuse_if_late
from dag_gateway.identity.token_holders import Bearer, TokenHolders

log = structlog.get_logger()

ATTEMPTS: Final = 5
PATIENCE_SECONDS: Final = 10.0
"""How long a push that has begun is given to turn out before the wish alone is reported."""


@dataclass(frozen=True, slots=True)
class CancelDeployment:
    """End a deployment that has not been pushed. `cause` is the request's id."""

    deployment_id: DeploymentId
    asker: Asked | Bearer
    cause: str = ""
    traceparent: str = ""


class News(Protocol):
    """What happens to one deployment, from the moment it is asked for."""

    @property
    def ended(self) -> object | None:
        """Not None once nothing more will be told."""

    async def take(self, seconds: float) -> object:
        """Return as soon as something happened, or after `seconds`."""


Follow = Callable[[DeploymentId], AbstractContextManager[News]]


class CancelDeploymentHandler:
    """The log decides who was first: this, or the push."""

    def __init__(
        self,
        streams: Streams,
        admission: Admission,
        holders: TokenHolders,
        follow: Follow,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._streams = streams
        self._admission = admission
        self._holders = holders
        self._follow = follow
        self._patience_seconds = patience_seconds

    async def __call__(self, command: CancelDeployment) -> Deployment:
        """The deployment: ended, or still pushing with the wish recorded. Asking again changes nothing.

        Raises `NotFound`, `Unproven`, `Refused` when it is too late, and `Unavailable` when the log is contended or did
        not answer. The wish is perhaps recorded then (the answer to a commit can be lost); asking again is safe.
        """
        structlog.contextvars.bind_contextvars(deployment_id=command.deployment_id)
        by = await self._identified(command.asker, await self._load(command.deployment_id))
        with self._follow(command.deployment_id) as news:
            deployment = await self._outcome(await self._record(command, by), news)
        refuse_if_late(deployment)
        return deployment

    async def _load(self, deployment_id: DeploymentId) -> Deployment:
        deployment = await self._streams.load(deployment_id)
        if not deployment.exists:
            raise NotFound(f"There is no deployment {deployment_id}.")
        return deployment

    async def _identified(self, asker: Asked | Bearer, deployment: Deployment) -> str:
        """Who asks, as people are told: an operator, or a job that could have deployed this itself."""
        if isinstance(asker, Bearer):
            self._holders.admit_operator(asker)
            return "an operator"
        proven = await self._admission.prove(asker)
        return proven.enter(_environment(deployment, asker, proven)).job.spoken

    async def _record(self, command: CancelDeployment, by: str) -> Deployment:
        for _ in range(ATTEMPTS):
            deployment = await self._streams.load(command.deployment_id)
            events = cancel(deployment, by)
            caused = replace(deployment, last_event_id=command.cause, traceparent=command.traceparent)
            try:
                (deployment,) = await self._streams.append(Decision(caused, events))
            except Conflict as exc:
                log.info("cancellation_raced", reason=exc.message)
                continue
            if events:
                log.info("cancellation_recorded", by=by, ended=deployment.ended)
            return deployment
        raise Unavailable("the event log is contended; try again")

    async def _outcome(self, deployment: Deployment, news: News) -> Deployment:
        """The deployment as soon as it ended or was pushed, or as it stands when patience ends."""
        until = monotonic() + self._patience_seconds
        while not deployment.ended and deployment.pushed is None and news.ended is None:
            left = until - monotonic()
            if left <= 0:
                break
            await news.take(left)
            deployment = await self._streams.load(deployment.id)
        return deployment


def _environment(deployment: Deployment, asker: Asked, proven: Proven) -> str:
    """Where a job must be able to deploy to cancel this; raises `Unproven` or `NotFound` naming what does not fit."""
    wanted = deployment.requested
    assert wanted is not None, "a stream begins with its request"  # noqa: S101 - how streams are written
    if proven.app.name != wanted.app:
        ours = f"Deployment {deployment.id} is of app {wanted.app}"
        raise Unproven(f"{ours}, and job {asker.job_id} speaks for app {proven.app.name}")
    if asker.environment not in ("", wanted.environment):
        raise NotFound(f"Deployment {deployment.id} is for {wanted.environment}, not for {asker.environment}")
    return wanted.environment
