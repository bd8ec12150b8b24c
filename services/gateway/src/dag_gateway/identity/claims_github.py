"""What a GitHub Actions ID token says about its run, and what of it must fit the claim.

The claims: GitHub, `content/actions/reference/security/oidc.md`; `sub` can be customised, so it is not read.
"""

from __future__ import annotations

from dag_common.errors import Unproven
from dag_common.registry.providers import Provider
from dag_gateway.domain.jobs import JobClaim, RefType, VerifiedJob
from dag_gateway.identity.branch_refs import PROTECTED, branch_of, check_job_id, check_path, check_pin, required
from dag_gateway.identity.id_tokens import Claims, shown, text


def github_run(claims: Claims, claim: JobClaim, provider: Provider) -> VerifiedJob:
    """The facts of a token that fits the claim. Raises `Unproven` naming the first thing that does not.

    Which events may deploy is the environment's rule (`domain.policies`): runs that strangers cause carry the base
    branch's ref, so the event is demanded here and judged there.
    """
    check_job_id(required(claims, "run_id"), claim, "GITHUB_RUN_ID")
    event, repository = required(claims, "event_name"), required(claims, "repository")
    if required(claims, "ref_type") != "branch":
        raise Unproven(f"The token is of a run on a {shown(claims['ref_type'])}; only a run on a branch may ask")
    branch = branch_of(required(claims, "ref"))
    if claim.project_id is not None:
        check_pin(required(claims, "repository_id"), claim, repository)
    else:
        check_path(repository, claim)
    return VerifiedJob(
        provider=claim.provider,
        kind="github",
        project_id=text(claims, "repository_id"),
        project_path=repository,
        ref=branch,
        ref_type=RefType.BRANCH,
        commit=text(claims, "sha"),
        job_id=claim.job_id,
        job_url=f"{provider.url.rstrip('/')}/{repository}/actions/runs/{claim.job_id}",
        actor=text(claims, "actor"),
        protected=PROTECTED.get(text(claims, "ref_protected")),
        source=event,
        attempt=text(claims, "run_attempt"),
    )
