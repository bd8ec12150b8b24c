"""An environment's rules over the facts of a proven job: who may deploy there beyond having the right branch."""

from __future__ import annotations

from typing import Final, Protocol

from dag_common.errors import Unproven
from dag_gateway.domain.jobs import VerifiedJob

USUAL_SOURCES: Final[dict[str, frozenset[str]]] = {
    "gitlab": frozenset({"push", "web", "schedule", "api", "trigger", "pipeline", "parent_pipeline"}),
    "github": frozenset({"push", "workflow_dispatch", "schedule", "repository_dispatch"}),
}
"""How a pipeline may have begun where the environment says nothing: what only people with write access can cause.

GitLab's `merge_request_event` and GitHub's `pull_request_target` and `workflow_run` are left out: they run for
strangers' forks, the latter two even on the base branch (GitHub, `content/actions/reference/security/oidc.md`). So is
GitHub's `release`, whose runs are on a tag, which never deploys.
"""

_HOW_TO_SAY: Final = {"gitlab": "send an ID token instead of a job token"}
_CLAIM_TO_SAY: Final = "its provider needs a claim that tells it (claims.protected)"


class Rules(Protocol):
    """What an environment of the registry asks of a job."""

    @property
    def name(self) -> str: ...
    @property
    def require_protected(self) -> bool: ...
    @property
    def sources(self) -> tuple[str, ...] | None: ...


def admit(job: VerifiedJob, rules: Rules) -> None:
    """Raises `Unproven`, naming the fact that did not fit and what was asked for, if the job may not deploy there."""
    _admit_source(job, rules)
    if rules.require_protected and job.protected is None:
        raise Unproven(
            f"Environment {rules.name} takes protected branches only, and this proof does not say whether "
            f"{job.ref} is one: {_HOW_TO_SAY.get(job.kind, _CLAIM_TO_SAY)}"
        )
    if rules.require_protected and not job.protected:
        raise Unproven(f"Environment {rules.name} takes protected branches only, and {job.ref} is not protected")


def _admit_source(job: VerifiedJob, rules: Rules) -> None:
    allowed = USUAL_SOURCES.get(job.kind) if rules.sources is None else frozenset(rules.sources)
    if allowed is None or job.source in allowed or (not job.source and rules.sources is None):
        return
    shown = f"began by {job.source}" if job.source else "does not say how it began"
    raise Unproven(
        f"The pipeline of job {job.job_id} {shown}; environment {rules.name} takes {', '.join(sorted(allowed))}"
    )
