"""Proves a job by an ID token: the issuer signed who the job is, and nobody needs to be asked but for its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from dag_common.errors import Unproven
from dag_common.registry.providers import Provider
from dag_gateway.domain.jobs import JobClaim, VerifiedJob, Verifier
from dag_gateway.identity.branch_refs import required
from dag_gateway.identity.claims_generic import generic_job
from dag_gateway.identity.claims_github import github_run
from dag_gateway.identity.claims_gitlab import gitlab_job
from dag_gateway.identity.id_tokens import Claims, Expected, IdTokens, Now, is_jwt, shown, text, unverified
from dag_gateway.identity.provider_client import ProviderClient
from dag_gateway.identity.signing_keys import SigningKeys

Read = Callable[[Claims, JobClaim, Provider], VerifiedJob]

_READ: Final[Mapping[str, Read]] = {"gitlab": gitlab_job, "github": github_run, "oidc": generic_job}


class OidcVerifier:
    """Proves the jobs of one issuer by its tokens; the provider's kind says what their claims mean."""

    def __init__(self, client: ProviderClient, provider: Provider, now: Now) -> None:
        keys = SigningKeys(client, provider.token_issuer, provider.keys_url, provider.algorithm)
        self._tokens = IdTokens(Expected(provider.token_issuer, provider.audience, provider.algorithm), keys, now)
        self._provider = provider

    async def verify(self, claim: JobClaim) -> VerifiedJob:
        """See `Verifier.verify`, but for this: a token proves a job for as long as it counts, not that it runs now."""
        if self._provider.kind == "github":
            _check_github_shape(claim.token, self._provider.audience)
        claims = await self._tokens.read(claim.token)
        _check_required(claims, self._provider.required_claims)
        job = _READ[self._provider.kind](claims, claim, self._provider)
        # By issuer: two entries of the registry for one issuer do not make one token count twice.
        return replace(job, one_time=f"{claims['iss']} {required(claims, 'jti')}") if self._provider.one_time else job


class GitLabTokens:
    """A GitLab job's either proof: its job token, which GitLab is asked about, or an ID token, which is read.

    Newer job tokens are JWTs too; only an ID token says `job_id`.
    """

    def __init__(self, job_tokens: Verifier, id_tokens: Verifier | None) -> None:
        self._job_tokens = job_tokens
        self._id_tokens = id_tokens

    async def verify(self, claim: JobClaim) -> VerifiedJob:
        """See `Verifier.verify`."""
        if "job_id" not in unverified(claim.token):
            return await self._job_tokens.verify(claim)
        if self._id_tokens is None:
            raise Unproven(
                f"The jobToken is an ID token, and provider {claim.provider} has no audience configured to take such: "
                "send CI_JOB_TOKEN"
            )
        return await self._id_tokens.verify(claim)


def _check_required(claims: Claims, wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if text(claims, name) != value:
            raise Unproven(f"The token's {name} is {shown(claims.get(name))}, and {value} is required")


def _check_github_shape(token: str, audience: str) -> None:
    """A GITHUB_TOKEN proves nothing: whoever can read a repository can read its runs with a token of their own."""
    if is_jwt(token):
        return
    raise Unproven(
        "The jobToken is not a GitHub ID token (a GITHUB_TOKEN does not say which run it belongs to). "
        "Add two lines to the workflow's job:\n"
        "permissions:\n"
        "  id-token: write\n"
        "`dag deploy` then asks for the token itself; whoever has no `dag` sends as jobToken the value that\n"
        f"$ACTIONS_ID_TOKEN_REQUEST_URL&audience={audience}\n"
        "answers to the bearer token $ACTIONS_ID_TOKEN_REQUEST_TOKEN"
    )
