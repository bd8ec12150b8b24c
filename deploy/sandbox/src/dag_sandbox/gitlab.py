"""A GitLab for tests and trials: jobs with tokens, the job API, ID tokens; anything else of GitLab is not there.

    async with GitLabDouble(path="/gitlab") as gitlab:
        job = gitlab.create_job(project="acme/shop", ref="main")
        ... gitlab.url, job.id, job.token ...

Over HTTP, for people and other processes: `POST /_jobs` with any of project, ref, tag, sha, user, source, status,
protected, source_branch; `POST /_jobs/<id>/status` with status; `POST /_jobs/<id>/id_token` with aud; `PUT` and
`DELETE /_faults`.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dag_sandbox.gitlab_app import app
from dag_sandbox.gitlab_faults import Faults
from dag_sandbox.gitlab_issuer import Issuer
from dag_sandbox.gitlab_jobs import Job, Jobs, JobWish, id_token_claims
from dag_sandbox.serving import serve


class GitLabDouble:
    """Served while its context is open. `path` is the sub-path GitLab lives under; `port` 0 is any free one.

    `questions` counts what was asked of the job API.
    """

    def __init__(
        self,
        *,
        path: str = "",
        port: int = 0,
        ssl_certfile: str | Path | None = None,
        ssl_keyfile: str | Path | None = None,
    ) -> None:
        self.path = path.rstrip("/")
        self.url = ""
        self.jobs = Jobs()
        self.faults = Faults()
        self.issuer = Issuer()
        self.questions = 0
        self._port = port
        self._certificate = (ssl_certfile, ssl_keyfile)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        certfile, keyfile = self._certificate
        serving = serve(app(self), port=self._port, ssl_certfile=certfile, ssl_keyfile=keyfile)
        root = await self._stack.enter_async_context(serving)
        self.url = self.issuer.url = f"{root}{self.path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def create_job(self, **wish: Any) -> Job:
        """A new job; the arguments are the fields of `JobWish`."""
        return self.jobs.create(JobWish(**wish))

    def finish_job(self, job_id: int, status: str = "success") -> None:
        """End a job: its token is worth nothing from now on."""
        self.jobs.set_status(job_id, status)

    def project_url(self, project: str = "acme/shop") -> str:
        """What CI sends as the repository's URL (CI_PROJECT_URL)."""
        return f"{self.url}/{project}"

    def id_token(self, job_id: int, aud: str, *, lifetime: timedelta = timedelta(minutes=5), **claims: Any) -> str:
        """The ID token that a job gets for an audience; `claims` replaces what it would say."""
        told = id_token_claims(self.jobs.job(job_id), self.url)
        return self.issuer.mint({**told, "aud": aud, **claims}, lifetime=lifetime)
