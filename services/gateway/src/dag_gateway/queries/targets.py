"""How each rollout target of a deployment stands."""

from __future__ import annotations

from dag_common.contracts.events import RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_gateway.queries.views import TargetView


def target_views(state: Deployment) -> tuple[TargetView, ...]:
    """All targets of the request, in its order."""
    if state.requested is None:
        return ()
    return tuple(target_view(state, target) for target in state.requested.targets)


def target_view(state: Deployment, target: RolloutTarget) -> TargetView:
    """One target: succeeded and failed are verdicts, progressing has said something, waiting has not."""
    place = {"cluster": target.cluster, "kind": target.kind, "namespace": target.namespace, "name": target.name}
    if (done := state.succeeded.get(target.id)) is not None:
        return TargetView(
            **place,
            status="succeeded",
            message=done.message,
            object=done.evidence.object,
            revision=done.evidence.revision,
        )
    if (failed := state.failed.get(target.id)) is not None:
        return TargetView(
            **place,
            status="failed",
            message=failed.message,
            reason=failed.reason,
            object=failed.evidence.object,
            revision=failed.evidence.revision,
        )
    if (message := state.progress.get(target.id)) is not None:
        return TargetView(**place, status="progressing", message=message)
    return TargetView(**place, status="waiting", message="")
