"""What a GitLab ID token says about its job, and what of it must fit the claim.

The claims: GitLab, `lib/gitlab/ci/jwt_v2.rb`; all ids and booleans come as texts, and `sub` can be customised, so it
is not read.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from dag_common.errors import Unproven
from dag_common.registry.providers import Provider
from dag_gateway.domain.jobs import JobClaim, RefType, VerifiedJob
from dag_gateway.identity.branch_refs import PROTECTED, branch_of, check_job_id, check_path, check_pin, required
from dag_gateway.identity.id_tokens import Claims, shown, text


def gitlab_job(claims: Claims, claim: JobClaim, provider: Provider) -> VerifiedJob:
    """The facts of a token that fits the claim. Raises `Unproven` naming the first thing that does not.

    A token outlives its job, until its `exp`: unlike a job token it does not prove that the job still runs.
    """
    check_job_id(required(claims, "job_id"), claim, "CI_JOB_ID")
    source = required(claims, "pipeline_source")
    branch = _branch(claims, source)
    path = _check_project(claims, claim, provider)
    return VerifiedJob(
        provider=claim.provider,
        kind="gitlab",
        project_id=required(claims, "project_id"),
        project_path=path,
        ref=branch,
        ref_type=RefType.BRANCH,
        commit=text(claims, "sha"),
        job_id=claim.job_id,
        job_url=f"{provider.url.rstrip('/')}/{path}/-/jobs/{claim.job_id}",
        actor=text(claims, "user_login"),
        protected=PROTECTED.get(text(claims, "ref_protected")),
        source=source,
    )


def _branch(claims: Claims, source: str) -> str:
    # In a merge request's pipeline the ref claims name the source branch, and a fork may call its branch main.
    if source == "merge_request_event":
        raise Unproven("The token is of a merge request's pipeline; only a job on a branch may ask")
    if required(claims, "ref_type") != "branch":
        raise Unproven(f"The token is of a job on a {shown(claims['ref_type'])}; only a job on a branch may ask")
    branch = branch_of(text(claims, "ref_path"))
    if branch != text(claims, "ref"):
        raise Unproven(f"The token's ref {shown(claims.get('ref'))} and ref_path name two different branches")
    return branch


def _check_project(claims: Claims, claim: JobClaim, provider: Provider) -> str:
    project, path = required(claims, "project_id"), required(claims, "project_path")
    # Where a job runs differs from whose code it runs when a fork's merge request runs in its parent.
    runs_in = text(claims, "job_project_id")
    if "job_project_id" in claims and runs_in != project:
        raise Unproven(f"The token's job runs in project {shown(runs_in)} for project {project}: not a project's own")
    if claim.project_id is not None:
        check_pin(project, claim, path)
    else:
        check_path(path, claim, urlsplit(provider.url).path.strip("/"))
    return path
