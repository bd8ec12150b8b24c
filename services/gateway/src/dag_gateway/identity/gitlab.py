"""Proves a GitLab CI job by its job token: GitLab itself says which job the token belongs to."""

from __future__ import annotations

from typing import Final

import msgspec

from dag_common.errors import Unavailable, Unproven
from dag_gateway.domain.jobs import JobClaim, VerifiedJob
from dag_gateway.identity.gitlab_job import Job, check_job
from dag_gateway.identity.provider_client import Answer, ProviderClient, retry_after

_JOB = msgspec.json.Decoder(Job)
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_LONGEST_TOKEN = 8192
_LONGEST_JOB_ID = 19
_MISCONFIGURED_WAIT = 60.0

_REFUSALS: Final[dict[int, str]] = {
    400: "GitLab cannot read the job token",
    401: "GitLab does not accept the job token: the job is over, or the token is another GitLab's",
    403: "GitLab refuses the user of the job, or the job token's access",
    404: "GitLab knows no job of this token: it is some other kind of token",
    431: "GitLab cannot read the job token: it is too long",
}
"""Answers that say something about the token. Every other one says something about GitLab, and proves nothing."""


class GitLabVerifier:
    """Asks `GET <base>/api/v4/job`, base with its port and sub-path as configured, never taken from the request.

    The token goes into the `JOB-TOKEN` header: GitLab counts a bearer job token against the asking address's limit
    for strangers (GitLab, `lib/gitlab/auth/auth_finders.rb`), and a gateway is one address for everybody.
    """

    def __init__(self, client: ProviderClient, base_url: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")

    async def verify(self, claim: JobClaim) -> VerifiedJob:
        """See `Verifier.verify`."""
        _check_claim(claim)
        answer = await self._client.get(f"{self._base_url}/api/v4/job", {"job-token": claim.token})
        if answer.status == _OK:
            return check_job(self._read(answer), claim, self._base_url)
        raise self._refusal(answer)

    def _read(self, answer: Answer) -> Job:
        try:
            return _JOB.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise Unavailable(
                f"CI provider {self._client.name} answered with something that is no job: does its url lead to GitLab?",
                retry_after=_MISCONFIGURED_WAIT,
            ) from exc

    def _refusal(self, answer: Answer) -> Unproven | Unavailable:
        if answer.status in _REFUSALS and _is_from_gitlab(answer):
            return Unproven(f"{_REFUSALS[answer.status]}. Send CI_JOB_TOKEN and CI_JOB_ID of the running job.")
        if answer.status == _TOO_MANY:
            return Unavailable(
                f"CI provider {self._client.name} takes no more questions for now", retry_after=retry_after(answer)
            )
        if answer.is_redirect:
            return Unavailable(
                f"CI provider {self._client.name} redirects elsewhere, which is not followed: correct its url",
                retry_after=_MISCONFIGURED_WAIT,
            )
        return Unavailable(
            f"CI provider {self._client.name} answered with status {answer.status}", retry_after=retry_after(answer)
        )


def _check_claim(claim: JobClaim) -> None:
    """What can be refused without asking; also keeps text that is no header value out of the request."""
    if not (claim.job_id.isascii() and claim.job_id.isdigit() and len(claim.job_id) <= _LONGEST_JOB_ID):
        raise Unproven("The jobId is not a GitLab job's: send CI_JOB_ID, a number")
    if not claim.token.isascii() or not claim.token.isprintable() or " " in claim.token:
        raise Unproven("The job token holds characters that no GitLab token has: send CI_JOB_TOKEN as it is")
    if len(claim.token) > _LONGEST_TOKEN:
        raise Unproven("The job token is longer than any GitLab token: send CI_JOB_TOKEN as it is")


def _is_from_gitlab(answer: Answer) -> bool:
    """Whether GitLab's API said so, and not a proxy's error page in front of it: the API answers in JSON.

    A 401 counts whoever it is from, for it cannot mean that GitLab is down; so does an empty body.
    """
    silent = not answer.body.strip() and "html" not in answer.headers.get("content-type", "")
    return answer.status == _UNAUTHORIZED or answer.is_json or silent
