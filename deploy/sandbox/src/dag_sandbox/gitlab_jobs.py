"""Projects and CI jobs of the GitLab double, and how GitLab describes a job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any, Final

import msgspec

from dag_common.errors import NotFound
from dag_common.runtime import clock, ids

EXECUTING: Final = frozenset({"running", "canceling"})
"""Statuses in which a job's token is taken (GitLab, `app/models/concerns/ci/has_status.rb`)."""

MERGE_REQUEST_REFS: Final = "refs/merge-requests/"


@dataclass(frozen=True, slots=True)
class Job:
    """A CI job. `ref` is a branch's or tag's short name, or `refs/merge-requests/<iid>/head`.

    `source_branch` is what a merge request wants to merge; its ID tokens call that their ref.
    """

    id: int
    token: str = field(repr=False)
    project_id: int
    project: str
    ref: str
    tag: bool
    sha: str
    user: str
    source: str
    status: str
    protected: bool
    source_branch: str
    created_at: datetime


class JobWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a job to be created should be like; what is not said is as in a push to a protected main branch."""

    project: str = "acme/shop"
    ref: str = "main"
    tag: bool = False
    sha: str | None = None
    user: str = "alice"
    source: str = "push"
    status: str = "running"
    protected: bool = True
    source_branch: str = "feature"


class Jobs:
    """All jobs and projects. Ids only grow; a renamed project keeps its id.

    A job's id stands for it for ever: who starts again on old data must go on with higher ids, by `first_id`.
    """

    def __init__(self, *, first_id: int = 10001) -> None:
        self._job_ids = count(first_id)
        self._project_ids = count(101)
        self._projects: dict[str, int] = {}
        self._jobs: dict[int, Job] = {}
        self.blocked_users: set[str] = set()

    def create(self, wish: JobWish) -> Job:
        """A new job with a fresh token; its project comes into being with it."""
        number = next(self._job_ids)
        job = Job(
            id=number,
            token=f"glcbt-64_{ids.new_event_id().replace('-', '')}",
            project_id=self.project_id(wish.project),
            project=wish.project,
            ref=wish.ref,
            tag=wish.tag,
            sha=wish.sha or hashlib.sha1(f"{wish.project} {number}".encode(), usedforsecurity=False).hexdigest(),
            user=wish.user,
            source=wish.source,
            status=wish.status,
            protected=wish.protected,
            source_branch=wish.source_branch,
            created_at=clock.now(),
        )
        self._jobs[number] = job
        return job

    def project_id(self, path: str) -> int:
        """The id of a project, made when first asked for."""
        if path not in self._projects:
            self._projects[path] = next(self._project_ids)
        return self._projects[path]

    def rename(self, path: str, new_path: str) -> None:
        """Give a project another path; its jobs move with it."""
        number = self._projects[new_path] = self._projects.pop(path)
        moved = {job.id: replace(job, project=new_path) for job in self._jobs.values() if job.project_id == number}
        self._jobs.update(moved)

    def set_status(self, job_id: int, status: str) -> Job:
        """Move a job on: `success`, `failed`, `canceled`, `canceling`, `running`. Raises `NotFound`."""
        job = self._jobs[job_id] = replace(self.job(job_id), status=status)
        return job

    def job(self, job_id: int) -> Job:
        """A job by its id. Raises `NotFound`."""
        try:
            return self._jobs[job_id]
        except KeyError as exc:
            raise NotFound(f"no job {job_id}") from exc

    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        return list(self._jobs.values())

    def of_token(self, token: str) -> Job | None:
        """The job that may use this token now."""
        return next((job for job in self._jobs.values() if job.token == token and job.status in EXECUTING), None)


def describe(job: Job, base_url: str) -> dict[str, Any]:
    """A job as `GET /api/v4/job` answers it (GitLab, `doc/api/jobs.md`, `lib/api/entities/ci/job.rb`)."""
    created = _instant(job.created_at)
    project_url = f"{base_url}/{job.project}"
    return {
        "id": job.id,
        "status": job.status,
        "stage": "deploy",
        "name": "deploy",
        "ref": job.ref,
        "tag": job.tag,
        "coverage": None,
        "allow_failure": False,
        "created_at": created,
        "started_at": created,
        "finished_at": None,
        "erased_at": None,
        "duration": round((clock.now() - job.created_at).total_seconds(), 6),
        "queued_duration": 0.1,
        "user": _user(job, base_url),
        "commit": _commit(job, project_url),
        "pipeline": _pipeline(job, project_url),
        "web_url": f"{project_url}/-/jobs/{job.id}",
        "project": {"ci_job_token_scope_enabled": False},
        "artifacts": [],
        "runner": {"id": 1, "description": "sandbox", "ip_address": None, "active": True, "is_shared": True},
        "runner_manager": None,
        "artifacts_expire_at": None,
        "archived": False,
        "tag_list": [],
    }


def id_token_claims(job: Job, base_url: str) -> dict[str, Any]:
    """The claims of a job's ID token (GitLab, `lib/gitlab/ci/jwt_v2.rb`): ids and booleans are texts.

    In a merge request's pipeline the ref claims are those of the source branch, as the real ones are.
    """
    ref = job.source_branch if job.ref.startswith(MERGE_REQUEST_REFS) else job.ref
    kind = "tag" if job.tag else "branch"
    namespace = job.project.rpartition("/")[0]
    return {
        "sub": f"project_path:{job.project}:ref_type:{kind}:ref:{ref}",
        "namespace_id": "7",
        "namespace_path": namespace,
        "project_id": str(job.project_id),
        "project_path": job.project,
        "job_project_id": str(job.project_id),
        "job_project_path": job.project,
        "user_id": "1",
        "user_login": job.user,
        "user_email": f"{job.user}@example.com",
        "user_access_level": "maintainer",
        "pipeline_id": str(job.id + 1000),
        "pipeline_source": job.source,
        "job_id": str(job.id),
        "ref": ref,
        "ref_type": kind,
        "ref_path": f"refs/{'tags' if job.tag else 'heads'}/{ref}",
        "ref_protected": "true" if job.protected else "false",
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": job.sha,
        "project_visibility": "private",
        "ci_config_ref_uri": f"{base_url.partition('://')[2]}/{job.project}//.gitlab-ci.yml@{job.ref}",
        "ci_config_sha": job.sha,
    }


def _user(job: Job, base_url: str) -> dict[str, Any]:
    return {
        "id": 1,
        "username": job.user,
        "name": job.user.title(),
        "state": "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{base_url}/{job.user}",
    }


def _commit(job: Job, project_url: str) -> dict[str, Any]:
    return {
        "id": job.sha,
        "short_id": job.sha[:8],
        "title": "Change something",
        "author_name": job.user.title(),
        "created_at": _instant(job.created_at),
        "message": "Change something\n",
        "parent_ids": [],
        "web_url": f"{project_url}/-/commit/{job.sha}",
    }


def _pipeline(job: Job, project_url: str) -> dict[str, Any]:
    number, created = job.id + 1000, _instant(job.created_at)
    return {
        "id": number,
        "iid": number - 10000,
        "project_id": job.project_id,
        "sha": job.sha,
        "ref": job.ref,
        "status": "running",
        "source": job.source,
        "created_at": created,
        "updated_at": created,
        "web_url": f"{project_url}/-/pipelines/{number}",
    }


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
