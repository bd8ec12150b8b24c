"""Everything a request needs, gathered from flags, variables and the CI job, or refused with all that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dag_client.ci import detect
from dag_client.errors import Misused

DEFAULT_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to ask and as whom. `timeout` is in seconds."""

    server: str
    repo: str
    job_id: str
    job_token: str = field(repr=False)
    environment: str
    timeout: float

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

    @classmethod
    def of_job(cls, call: Call) -> Proof:
        """The job that calls."""
        return cls(call.job_token, fields=call.fields())

    @classmethod
    def of_operator(cls, token: str) -> Proof:
        """Whoever holds an operator's token."""
        return cls(token, headers={"Authorization": f"Bearer {token}"})


@dataclass(frozen=True, slots=True)
class Given:
    """What flags and DAG_* variables said; empty where they said nothing."""

    server: str = ""
    repo: str = ""
    job_id: str = ""
    job_token: str = field(default="", repr=False)
    environment: str = ""
    timeout: float = DEFAULT_TIMEOUT_SECONDS


def complete(given: Given, environ: Mapping[str, str]) -> Call:
    """Fill what is empty from the CI job; raises `Misused` that names everything still missing."""
    job = detect(environ)
    call = Call(
        server=server_address(given.server) if given.server else "",
        repo=given.repo or job.repo,
        job_id=given.job_id or job.id,
        job_token=given.job_token or job.token,
        environment=given.environment,
        timeout=given.timeout,
    )
    missing = [f"{flag} ({name})" for flag, name, value in _needed(call) if not value.strip()]
    if missing:
        where = "" if job.system else ". This is no GitLab or GitHub job, so nothing could be detected"
        raise Misused(f"Missing: {', '.join(missing)}{where}. Give the flag, or set the variable in brackets.")
    return call


def _needed(call: Call) -> tuple[tuple[str, str, str], ...]:
    return (
        ("--server", "DAG_SERVER_URL", call.server),
        ("--repo", "DAG_REPO_URL", call.repo),
        ("--job-id", "DAG_JOB_ID", call.job_id),
        ("--job-token", "DAG_JOB_TOKEN", call.job_token),
    )


def server_address(text: str) -> str:
    """The gateway's base URL without a trailing slash; raises `Misused` if it is none."""
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misused(f"--server (DAG_SERVER_URL) must be an http:// or https:// address, not {text!r}.")
    if parts.username or parts.password:
        raise Misused("--server (DAG_SERVER_URL) must not carry a user or password; DAG needs only the job's token.")
    return text.strip().rstrip("/")
