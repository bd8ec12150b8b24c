"""A CI job: what it claims, and what its provider proved. Every provider's proof ends in the same facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class RefType(StrEnum):
    """What a job runs on. Only a branch deploys."""

    BRANCH = "branch"
    TAG = "tag"
    MERGE_REQUEST = "merge request"


@dataclass(frozen=True, slots=True)
class JobClaim:
    """Who somebody says they are, for the app whose repository they named.

    `provider`, `repo_url` and `project_id` come from the registry, `job_id` and `token` from the request. The token
    is used for the proof and kept nowhere; `repr` hides it.
    """

    provider: str
    repo_url: str
    project_id: str | None
    job_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifiedJob:
    """A job as its provider proved it.

    `provider` is the registry's name and `kind` the sort of provider. `project_id` is the provider's stable id,
    empty where it tells none. `ref` is the short name of the branch. `protected` is None where the proof does not say.
    `source` is how the pipeline began (GitLab's pipeline source, GitHub's event), empty where the proof does not say.
    `attempt` tells runs of one `job_id` apart where the provider keeps the id when it runs again; empty where it does
    not, or does not tell. `one_time` names the proof itself where it counts for one deployment only, and is empty where
    it counts for many.
    """

    provider: str
    kind: str
    project_id: str
    project_path: str
    ref: str
    ref_type: RefType
    commit: str
    job_id: str
    job_url: str
    actor: str
    protected: bool | None
    source: str
    attempt: str = ""
    one_time: str = field(default="", repr=False)

    @property
    def spoken(self) -> str:
        """The job and who stands behind it, as people are told: `ada (gitlab job 42)`."""
        job = f"{self.provider} job {self.job_id}"
        return f"{self.actor} ({job})" if self.actor else job


class Verifier(Protocol):
    """Asks a provider whether a claim is true."""

    async def verify(self, claim: JobClaim) -> VerifiedJob:
        """The job, proven to run now, on a branch, in the claimed project.

        Raises `Unproven` saying what to do if the proof is refused, and `Unavailable` if the provider cannot be
        asked now: a provider that is down never makes anybody unproven.
        """
