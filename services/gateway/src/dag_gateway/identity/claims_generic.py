"""What any other issuer's ID token says about its job, by the names the configuration gives the claims."""

from __future__ import annotations

from dag_common.errors import Unproven
from dag_common.registry.providers import Provider
from dag_common.registry.repo_urls import normalise
from dag_gateway.domain.jobs import JobClaim, RefType, VerifiedJob
from dag_gateway.identity.branch_refs import PROTECTED, branch_of, check_job_id, check_pin, is_same_repository, required
from dag_gateway.identity.id_tokens import Claims, shown, text


def generic_job(claims: Claims, claim: JobClaim, provider: Provider) -> VerifiedJob:
    """The facts of a token that fits the claim. Raises `Unproven` naming the first thing that does not.

    With `projectId` the `repoId` claim must equal it, or, where none is configured, the repository claim, for issuers
    that tell only an id; without, the repository claim must be the app's repository, as a URL or as its path.
    """
    names = provider.claims
    check_job_id(required(claims, names.run), claim, names.run)
    repository = required(claims, names.repo)
    project = required(claims, names.repo_id or names.repo) if claim.project_id is not None else ""
    _check_repository(project, repository, claim)
    return VerifiedJob(
        provider=claim.provider,
        kind="oidc",
        project_id=project or text(claims, names.repo_id),
        project_path=repository,
        ref=_branch(claims, provider),
        ref_type=RefType.BRANCH,
        commit=text(claims, names.sha),
        job_id=claim.job_id,
        job_url="",
        actor=text(claims, names.actor),
        protected=PROTECTED.get(text(claims, names.protected)),
        source=text(claims, names.source),
        attempt=required(claims, names.attempt) if names.attempt else "",
    )


def _check_repository(project: str, path: str, claim: JobClaim) -> None:
    if claim.project_id is not None:
        check_pin(project, claim, path)
    elif not is_same_repository(path, claim):
        raise Unproven(f"The token is of {shown(path)}, not of {normalise(claim.repo_url)}")


def _branch(claims: Claims, provider: Provider) -> str:
    """The branch; some issuers tell its short name. A tag's name looks the same, so a tag claim refuses."""
    names = provider.claims
    ref = required(claims, names.ref)
    if names.tag and text(claims, names.tag):
        raise Unproven(f"The token is of a job on the tag {shown(claims[names.tag])}; only a job on a branch may ask")
    if names.ref_type and text(claims, names.ref_type) != "branch":
        raise Unproven(f"The token's {names.ref_type} is {shown(claims.get(names.ref_type))}, not branch")
    return branch_of(ref) if ref.startswith("refs/") else ref
