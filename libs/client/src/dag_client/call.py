"""Everything a request needs, gathered from flags, variables and the CI job, or refused with all that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from dag_client.ci import Job, detect, with_id_token
from dag_client.errors import Misused
from dag_client.id_tokens import IdTokens
from dag_client.tokens import sendable

DEFAULT_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to ask and as whom, by a token or by those that `id_tokens` gives. `timeout` is in seconds."""

    server: str
    repo: str
    job_id: str
    job_token: str = field(repr=False)
    environment: str
    timeout: float
    id_tokens: IdTokens | None = None

    def fields(self) -> dict[str, str]:
        """The request's fields that every POST shares."""
        named = {"environment": self.environment} if self.environment else {}
        return {"repoUrl": self.repo, "jobId": self.job_id, "jobToken": self.job_token, **named}


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows who asks: a CI job's fields in the body, or an operator's token in a header."""

    secret: str = field(repr=False)
    fields: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    id_tokens: IdTokens | None = None

    @classmethod
    def of_job(cls, call: Call) -> Proof:
        """The job that calls."""
        return cls(call.job_token, fields=call.fields(), id_tokens=call.id_tokens)

    @classmethod
    def of_operator(cls, token: str) -> Proof:
        """Whoever holds an operator's token. Raises `Misused` for one that cannot be sent."""
        sent = sendable(token, "--operator-token (DAG_OPERATOR_TOKEN)")
        return cls(sent, headers={"Authorization": f"Bearer {sent}"})

    @classmethod
    def of_nobody(cls) -> Proof:
        """For what everybody may ask."""
        return cls("")

    async def fresh(self, http: httpx.AsyncClient) -> Proof:
        """The proof for one attempt: a new ID token each, for they live minutes and a gateway may take each once."""
        if self.id_tokens is None:
            return self
        token = await self.id_tokens.take(http)
        return replace(self, secret=token, fields={**(self.fields or {}), "jobToken": token})

    def signed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The form or JSON object of a request with the proof's fields in it."""
        fields = self.fields or {}
        return {kind: {**part, **fields} if kind in ("data", "json") else part for kind, part in body.items()}


@dataclass(frozen=True, slots=True)
class Given:
    """What flags and DAG_* variables said; empty where they said nothing."""

    server: str = ""
    repo: str = ""
    job_id: str = ""
    job_token: str = field(default="", repr=False)
    environment: str = ""
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    audience: str = ""


def complete(given: Given, environ: Mapping[str, str]) -> Call:
    """Fill what is empty from the CI job, whose ID token comes before its other tokens.

    Raises `Misused` that names everything still missing.
    """
    return complete_for(with_id_token(detect(environ), environ), given)


def complete_for(job: Job, given: Given) -> Call:
    """Fill what is empty from a job; raises `Misused` that names everything still missing."""
    call = Call(
        server=server_address(given.server) if given.server else "",
        repo=given.repo or job.repo,
        job_id=given.job_id or job.id,
        job_token=_job_token(given, job),
        environment=given.environment,
        timeout=given.timeout,
    )
    if not call.job_token and job.asks_at:
        right = sendable(job.asks_with, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
        call = replace(call, id_tokens=IdTokens(job.asks_at, right, given.audience or call.server))
    missing = [f"{flag} ({name})" for flag, name, value in _needed(call) if not value.strip()]
    if missing:
        raise Misused(f"Missing: {', '.join(missing)}.{_advice(job, call)}")
    return call


def _job_token(given: Given, job: Job) -> str:
    if given.job_token.strip():
        return sendable(given.job_token, "--job-token (DAG_JOB_TOKEN)")
    return sendable(job.token, f"The token that the {job.system} job has")


def _advice(job: Job, call: Call) -> str:
    how = " Give the flag, or set the variable in brackets."
    if not job.system:
        return f" This is no GitLab or GitHub job, so nothing could be detected.{how}"
    return how if call.job_token else f"{how} {job.advice}".rstrip()


def _needed(call: Call) -> tuple[tuple[str, str, str], ...]:
    token = call.job_token or ("on demand" if call.id_tokens else "")
    return (
        ("--server", "DAG_SERVER_URL", call.server),
        ("--repo", "DAG_REPO_URL", call.repo),
        ("--job-id", "DAG_JOB_ID", call.job_id),
        ("--job-token", "DAG_JOB_TOKEN", token),
    )


def server_address(text: str) -> str:
    """The gateway's base URL without a trailing slash; raises `Misused` if it is none, and never quotes a password."""
    try:
        parts = urlsplit(text.strip())
    except ValueError as error:
        raise _no_address(text) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _no_address(text)
    if parts.username or parts.password:
        raise Misused("--server (DAG_SERVER_URL) must not carry a user or password; DAG needs only the job's token.")
    return text.strip().rstrip("/")


def _no_address(text: str) -> Misused:
    given = "" if "@" in text else f", not {text!r}"
    return Misused(f"--server (DAG_SERVER_URL) must be an http:// or https:// address{given}.")
