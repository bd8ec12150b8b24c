"""Lets a CI job in: the app it speaks for, the job as its provider proved it, the environment it deploys to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from dag_common.contracts.events import IacTarget, RolloutTarget
from dag_common.registry.apps import App, Environment
from dag_common.registry.registry import Registry, find_environment
from dag_gateway.domain.jobs import VerifiedJob, Verifier
from dag_gateway.domain.policies import admit
from dag_gateway.identity.verifiers import claim_for


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, in their own words. `environment` is empty if they named none."""

    repo_url: str
    job_id: str
    job_token: str = field(repr=False)
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """A job its provider proved, the app it speaks for, and what the registry said at that moment."""

    app: App
    job: VerifiedJob
    registry: Registry

    def enter(self, environment: str) -> Admitted:
        """Let it into the named environment, or, if the name is empty, into the one its branch leads to.

        Raises `NotFound` (no such environment for the branch), `Unproven` (the job may not deploy there) or `Invalid`
        (several environments fit and none is named).
        """
        found = find_environment(self.app, self.job.ref, environment or None)
        structlog.contextvars.bind_contextvars(environment=found.name)
        admit(self.job, found)
        return Admitted(self.app, found, self.job, self.registry)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A job that may do what it asks, and what the registry said at that moment."""

    app: App
    environment: Environment
    job: VerifiedJob
    registry: Registry

    def resolve(self) -> tuple[IacTarget, tuple[RolloutTarget, ...]]:
        """Where the chart lives and what to watch; raises `Invalid` if the path leaves the IaC repository."""
        return self.registry.resolve(self.app, self.environment)


class Admission:
    """The one door for everything a CI job may ask."""

    def __init__(self, registry: Callable[[], Registry], verifier: Verifier) -> None:
        self._registry = registry
        self._verifier = verifier

    async def admit(self, asked: Asked) -> Admitted:
        """Check in the order the API promises: app, job, environment. Raises what `prove` and `Proven.enter` do."""
        return (await self.prove(asked)).enter(asked.environment)

    async def prove(self, asked: Asked) -> Proven:
        """Raises `NotFound` (no app), `Unproven` (the job) or `Unavailable` (the provider cannot be asked)."""
        registry = self._registry()
        app = registry.find_app(asked.repo_url)
        structlog.contextvars.bind_contextvars(app=app.name)
        job = await self._verifier.verify(claim_for(app, asked.job_id, asked.job_token))
        structlog.contextvars.bind_contextvars(job_id=job.job_id, branch=job.ref)
        return Proven(app, job, registry)
