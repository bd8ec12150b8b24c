"""A CI job hands over a chart: everything is proven, then chart and request are recorded in one transaction."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Final

import structlog

from dag_common.charts.archive import Chart, read_archive
from dag_common.charts.limits import DEFAULT, Limits
from dag_common.contracts.envelope import NewEvent
from dag_common.contracts.events import ChartRef, DeploymentId, DeploymentRequested, Job, Requester
from dag_common.errors import Conflict, Invalid, Unavailable, Unproven
from dag_common.runtime.clock import now
from dag_common.runtime.ids import new_deployment_id, new_event_id
from dag_common.store import charts, event_log, requests
from dag_common.store.database import Connection, Database
from dag_gateway.admission import Admission, Admitted, Asked

log = structlog.get_logger()

ATTEMPTS: Final = 3
ARCHIVES_AT_ONCE: Final = 2
"""Archives unpacked at the same time: each may take 100 MiB while it is checked."""


class KeyReused(Invalid):
    """The Idempotency-Key stands for another request: send it again with a new key."""


class TokenUsed(Unproven):
    """The token counts once and stands for another request: send this one with a new token."""


@dataclass(frozen=True, slots=True)
class RequestDeployment:
    """A CI job hands over a chart. `cause` is the request's id; `idempotency_key` is empty if none was sent."""

    asked: Asked
    version: str
    chart: bytes = field(repr=False)
    idempotency_key: str = ""
    cause: str = ""
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A request nothing speaks against: the fact as it would be recorded, its chart, and what of its proof counts."""

    event: DeploymentRequested
    chart: Chart = field(repr=False)
    attempt: str = ""
    one_time: str = field(default="", repr=False)


class RequestDeploymentHandler:
    """Verifies everything, then records chart and request in one transaction."""

    def __init__(self, database: Database, admission: Admission, limits: Limits = DEFAULT) -> None:
        self._database = database
        self._admission = admission
        self._limits = limits
        self._unpacking = asyncio.Semaphore(ARCHIVES_AT_ONCE)

    async def __call__(self, command: RequestDeployment) -> DeploymentId:
        """The id of the deployment; the same request again gets the same id and is recorded once.

        Raises what `Admission.admit` does, `Invalid` for the archive or the path, `KeyReused`, `TokenUsed`, and
        `Unavailable` when the log cannot be written or did not answer. It is perhaps recorded then (the answer to a
        commit can be lost); sent again, with the same token, it is the same deployment.
        """
        checked = await self.check(command)
        deployment_id = await self._record(command, checked)
        structlog.contextvars.bind_contextvars(deployment_id=deployment_id)
        return deployment_id

    async def check(self, command: RequestDeployment) -> Checked:
        """Everything but recording; raises as a call does, but for `KeyReused` and `TokenUsed`."""
        admitted = await self._admission.admit(command.asked)
        async with self._unpacking:
            chart = await asyncio.to_thread(read_archive, command.chart, self._limits)
        job = admitted.job
        return Checked(_fact(command, admitted, chart), chart, attempt=job.attempt, one_time=job.one_time)

    async def _record(self, command: RequestDeployment, checked: Checked) -> DeploymentId:
        for _ in range(ATTEMPTS):
            try:
                async with self._database.transaction() as connection:
                    return await _claim_and_append(connection, command, checked)
            except Conflict as exc:
                log.info("request_raced", reason=exc.message)
        raise Unavailable("the event log is contended; try again")


async def _claim_and_append(connection: Connection, command: RequestDeployment, checked: Checked) -> DeploymentId:
    event, again = checked.event, _run_again(checked.attempt)
    parts = (event.repo_url, event.job.id, event.environment, event.version, event.chart.sha256)
    same = _digest("request", *parts, *again)
    claim = await requests.claim(connection, same, new_deployment_id(), same)
    if command.idempotency_key:
        key = _digest("key", event.repo_url, event.job.id, command.idempotency_key, *again)
        await _claim_key(connection, key, same, claim.deployment_id)
    if checked.one_time:
        await _claim_token(connection, checked.one_time, same, claim.deployment_id)
    if claim.new:
        await charts.put(connection, command.chart)
        await event_log.append(connection, [_new_event(claim.deployment_id, command, event)])
    return claim.deployment_id


async def _claim_key(connection: Connection, key: str, same: str, deployment: DeploymentId) -> None:
    """Keys are scoped to repository, job and attempt, so nobody meets another's deployment by guessing."""
    held = await requests.claim(connection, key, deployment, same)
    if held.fingerprint != same:
        raise KeyReused("This Idempotency-Key was sent with another request; send a new key, or the same request")


async def _claim_token(connection: Connection, token: str, same: str, deployment: DeploymentId) -> None:
    """Kept as long as request keys are, which is for good: a token is over long before its line could go."""
    held = await requests.claim(connection, _digest("token", token), deployment, same)
    if held.fingerprint != same:
        raise TokenUsed("This token counts once and was used for another request: ask the CI provider for a new one")


def _fact(command: RequestDeployment, admitted: Admitted, chart: Chart) -> DeploymentRequested:
    iac, targets = admitted.resolve()
    job = admitted.job
    return DeploymentRequested(
        app=admitted.app.name,
        repo_url=admitted.app.url,
        environment=admitted.environment.name,
        branch=job.ref,
        commit=job.commit,
        version=command.version,
        job=Job(id=job.job_id, url=job.job_url),
        requested_by=Requester(provider=job.provider, user=job.actor),
        chart=ChartRef(
            sha256=hashlib.sha256(command.chart).hexdigest(),
            size=len(command.chart),
            name=chart.name,
            version=chart.version,
        ),
        iac=iac,
        targets=targets,
        registry_digest=admitted.registry.digest,
        supersede=admitted.environment.supersede,
        unique_version=admitted.environment.unique_version,
    )


def _new_event(deployment_id: DeploymentId, command: RequestDeployment, event: DeploymentRequested) -> NewEvent:
    return NewEvent(
        event_id=new_event_id(),
        deployment_id=deployment_id,
        version=1,
        event=event,
        occurred_at=now(),
        causation_id=command.cause,
        service="gateway",
        traceparent=command.traceparent,
    )


def _run_again(attempt: str) -> tuple[str, ...]:
    """What a job that runs again adds to its keys. A first attempt adds nothing: versions that knew none wrote such."""
    return (attempt,) if attempt not in ("", "1") else ()


def _digest(*parts: str) -> str:
    """One text for many, unambiguous: no part holds a NUL but an attempt, which is last."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
