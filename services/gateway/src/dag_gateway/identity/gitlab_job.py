"""What GitLab tells about the job of a token, and what of it must fit the claim.

The body of `GET /api/v4/job`: GitLab, `doc/api/jobs.md` and `lib/api/entities/ci/job.rb`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from dag_common.errors import Unproven
from dag_common.registry.repo_urls import normalise
from dag_gateway.domain.jobs import JobClaim, RefType, VerifiedJob


class Pipeline(msgspec.Struct, frozen=True):
    """The pipeline of a job; `source` is how it began (old GitLabs do not tell)."""

    project_id: int | None = None
    sha: str | None = None
    source: str | None = None


class Commit(msgspec.Struct, frozen=True):
    """The commit a job runs on."""

    id: str


class User(msgspec.Struct, frozen=True):
    """Who started a job."""

    username: str


class Job(msgspec.Struct, frozen=True):
    """A job as GitLab describes it. What a proof rests on has no default: an answer without it is no answer."""

    id: int
    status: str
    ref: str
    tag: bool
    web_url: str
    pipeline: Pipeline | None = None
    commit: Commit | None = None
    user: User | None = None


def check_job(job: Job, claim: JobClaim, base_url: str) -> VerifiedJob:
    """The facts of a job that fits the claim. Raises `Unproven` naming the first thing that does not."""
    if str(job.id) != claim.job_id:
        raise Unproven(f"The job token belongs to job {job.id}, not to the job {claim.job_id} that was sent as jobId")
    if job.status != "running":
        raise Unproven(f"Job {job.id} is {job.status}; only a running job may ask")
    ref_type = _ref_type(job)
    if ref_type is not RefType.BRANCH:
        raise Unproven(f"Job {job.id} runs on a {ref_type}, {job.ref}; only a job on a branch may ask")
    pipeline = job.pipeline or Pipeline()
    project_path = _project_path(job)
    _check_project(pipeline, project_path, claim, base_url)
    return VerifiedJob(
        provider=claim.provider,
        kind="gitlab",
        project_id="" if pipeline.project_id is None else str(pipeline.project_id),
        project_path=_below(base_url, project_path),
        ref=job.ref,
        ref_type=ref_type,
        commit=job.commit.id if job.commit else pipeline.sha or "",
        job_id=claim.job_id,
        job_url=job.web_url,
        actor=job.user.username if job.user else "",
        protected=None,
        source=pipeline.source or "",
    )


def _ref_type(job: Job) -> RefType:
    if job.tag:
        return RefType.TAG
    # A branch's ref is its short name; everything below refs/ is something else, mostly a merge request.
    return RefType.MERGE_REQUEST if job.ref.startswith("refs/") else RefType.BRANCH


def _check_project(pipeline: Pipeline, path: str, claim: JobClaim, base_url: str) -> None:
    if claim.project_id is not None:
        if str(pipeline.project_id) != claim.project_id:
            raise Unproven(
                f"Job {claim.job_id} belongs to project {pipeline.project_id} ({_below(base_url, path)}), "
                f"and {normalise(claim.repo_url)} is configured as project {claim.project_id}"
            )
        return
    claimed = urlsplit(normalise(claim.repo_url)).path.strip("/")
    # An ssh address has no sub-path; the job's page has the one GitLab lives under. Never both spellings: a group
    # called like the sub-path would own other groups' paths.
    if not claim.repo_url.strip().startswith(("http://", "https://")):
        claimed = f"{_base_path(base_url)}/{claimed}".strip("/")
    if path.casefold() != claimed.casefold():
        raise Unproven(f"Job {claim.job_id} belongs to {_below(base_url, path)}, not to {normalise(claim.repo_url)}")


def _project_path(job: Job) -> str:
    path = urlsplit(job.web_url).path
    suffix = f"/-/jobs/{job.id}"
    if not path.endswith(suffix):
        raise Unproven(f"GitLab does not say which project job {job.id} belongs to")
    return path.removesuffix(suffix).strip("/")


def _base_path(base_url: str) -> str:
    return urlsplit(base_url).path.strip("/")


def _below(base_url: str, path: str) -> str:
    base = _base_path(base_url)
    return path.removeprefix(f"{base}/") if base else path
