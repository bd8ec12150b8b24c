"""Whether a deployment can still be ended, and how: what was pushed stays pushed."""

from __future__ import annotations

from typing import Final

from dag_common.contracts.events import CancellationRequested, DeploymentFailed
from dag_common.domain.deployment import Deployment
from dag_common.errors import Refused

CANCELLED: Final = "cancelled"
"""The reason a deployment fails with when it was cancelled."""


def cancel(deployment: Deployment, by: str) -> tuple[CancellationRequested | DeploymentFailed, ...]:
    """What to record so that the deployment ends; nothing if it is cancelled, or asked to be.

    Once a push has begun nobody knows whether it arrives, so only the wish is recorded: the pusher finds out and ends
    the deployment. Raises `Refused` when it is too late.
    """
    refuse_if_late(deployment)
    if deployment.ended:
        return ()
    wish = deployment.cancellation or CancellationRequested(by=by)
    wished = () if deployment.cancellation else (wish,)
    if deployment.push_attempts:
        return wished
    message = f"Cancelled by {wish.by}"
    return (*wished, DeploymentFailed(stage=deployment.status, reason=CANCELLED, message=message))


def refuse_if_late(deployment: Deployment) -> None:
    """Raises `Refused`, saying where the deployment stands, if its chart was pushed or it ended on its own."""
    if deployment.pushed is not None:
        raise Refused(
            "too_late",
            f"A cancel comes too late: deployment {deployment.id} stands at {deployment.status} and its chart was "
            f"committed as {deployment.pushed.commit}. To go back, deploy the previous version",
        )
    if deployment.ended and (deployment.failure is None or deployment.failure.reason != CANCELLED):
        raise Refused(
            "too_late",
            f"A cancel comes too late: deployment {deployment.id} has {deployment.status}: {deployment.message}",
        )
