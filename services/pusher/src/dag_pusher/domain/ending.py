"""Why a deployment that waits gets no commit (any more), and the words it ends with."""

from __future__ import annotations

from dag_common.contracts.events import DeploymentFailed, DeploymentId
from dag_common.domain.deployment import Deployment
from dag_pusher.domain.plan import Problem


def gives_way(deployment: Deployment, superseded_by: DeploymentId | None) -> bool:
    """Whether a newer deployment replaces this one: only until its push begins, for then it may be in git already."""
    return superseded_by is not None and deployment.push_attempts == 0


def superseded(deployment: Deployment, newer: Deployment) -> DeploymentFailed:
    """The end of a deployment that gives way to `newer`."""
    version = f", version {newer.requested.version}" if newer.requested else ""
    message = f"Superseded by the newer deployment {newer.id}{version}; nothing was pushed"
    return DeploymentFailed(stage=deployment.status, reason="superseded", message=message)


def too_late(deployment: Deployment, *, waited: float, deadline: float) -> Problem | None:
    """Why the deployment is only looked for in git and not committed any more; None: it is to be committed.

    After the deadline each deployment has one attempt, if it had none before: nobody was there to make it.
    """
    if deployment.cancellation is not None:
        return Problem("cancelled", f"Cancelled by {deployment.cancellation.by}")
    if waited > deadline and deployment.push_attempts > 0:
        return Problem("push_deadline", f"not pushed within {deadline:.0f} s: the IaC branch does not hold it")
    return None


def overdue(deployment: Deployment, *, deadline: float, why: str) -> DeploymentFailed:
    """The end of a deployment that could not be pushed in time, and that git cannot be asked for now."""
    message = _unsure(deployment, f"not pushed within {deadline:.0f} s: {why}")
    return DeploymentFailed(stage=deployment.status, reason="push_deadline", message=message)


def broken(deployment: Deployment, error: str) -> DeploymentFailed:
    """The end of a deployment that even to look for in git is more than DAG can do."""
    message = _unsure(deployment, internal_error(error).message)
    return DeploymentFailed(stage=deployment.status, reason="internal_error", message=message)


def internal_error(error: str) -> Problem:
    """An error of ours, told by the name of its type: its text may hold anything."""
    return Problem("internal_error", f"DAG failed to push this deployment ({error}); see its logs")


def unfenced(problem: Problem, words: str) -> Problem:
    """The end of a deployment whose earlier attempt may still arrive, for the server refuses to close the branch."""
    doubt = f"whether its last attempt still arrives is not known, for the git host refused to rule it out: {words}"
    return Problem(problem.reason, f"{problem.message}; {doubt}")


def _unsure(deployment: Deployment, message: str) -> str:
    return f"{message}; whether its last attempt arrived is not known" if deployment.push_attempts else message
