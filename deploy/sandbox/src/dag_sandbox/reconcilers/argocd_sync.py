"""Argo CD's operations with all their writes: sync, retry, termination (argo-cd controller/{appcontroller,sync}.go)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from dag_common.errors import DagError
from dag_common.runtime import clock
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers import rollouts
from dag_sandbox.reconcilers.argocd_compare import Target, Targets
from dag_sandbox.reconcilers.argocd_objects import Application, operation_state
from dag_sandbox.reconcilers.outcomes import REFUSED, RETRY_THEN_SUCCEED, STUCK
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key

_REFUSAL: Final = 'admission webhook "policy.example.com" denied the request'
_HISTORY: Final = 10
_DOUBLED_AT_MOST: Final = 6


class Operations:
    """Runs what stands in `.operation`; where it was when a controller died stands in `.status.operationState`."""

    def __init__(self, double: ClusterDouble, targets: Targets, pace: Pace) -> None:
        self._double = double
        self._targets = targets
        self._pace = pace
        self._retry_at: dict[tuple[Key, int], float] = {}

    async def reconcile(self, key: Key) -> float | None:
        """One attempt, or a look at why there is none yet; after how many seconds to come back."""
        app = Application(self._double, key)
        if "operation" not in app.obj:
            return None
        if app.state.get("phase") == "Terminating":
            self._end(app, "Failed", "Operation terminated")
            return None
        if app.state.get("phase") != "Running":
            self._begin(app)
            return await self._attempt(app, retries=0)
        if left := self._wait_for_retry(app):
            return left
        return await self._attempt(app, retries=int(app.state.get("retryCount", 0)))

    def _begin(self, app: Application) -> None:
        """A merge patch that takes nothing away but `finishedAt`: what the last operation left shines through."""
        fresh = {"phase": "Running", "operation": app.obj["operation"], "startedAt": timestamp()}
        app.patch(operation_state(finishedAt=None, **fresh))

    def _wait_for_retry(self, app: Application) -> float:
        """Seconds until a failed operation is tried again; that it is, is a write of its own."""
        if "finishedAt" not in app.state:
            return 0.0
        attempt = int(app.state["retryCount"])
        at = self._retry_at.setdefault((app.key, attempt), clock.monotonic() + self._back_off(attempt))
        if clock.monotonic() < at:
            return max(0.01, at - clock.monotonic())
        del self._retry_at[app.key, attempt]
        app.patch(operation_state(finishedAt=None))
        return 0.0

    def _back_off(self, attempt: int) -> float:
        return self._pace.retry * (1 << min(attempt - 1, _DOUBLED_AT_MOST))

    async def _attempt(self, app: Application, *, retries: int) -> float | None:
        try:
            revision = (app.obj["operation"].get("sync") or {}).get("revision")
            target = await (self._targets.at(app, revision) if revision else self._targets.latest(app))
        except DagError as exc:
            target = Target("", error=str(exc))
        if target.manifest is None:
            return self._fail(app, "Error", f"ComparisonError: {target.error}", retries)
        if target.outcome.outcome == STUCK:
            message = f"waiting for completion of hook batch/Job/{app.key[1]}-migrate"
            app.patch(operation_state(message=message, syncResult=_result(app, target, "Synced", "")))
            return None
        await asyncio.sleep(self._pace.action if target.outcome.seconds is None else target.outcome.seconds)
        return self._apply(Application(self._double, app.key), target, retries)

    def _apply(self, app: Application, target: Target, retries: int) -> float | None:
        outcome = target.outcome.outcome
        refused = outcome == REFUSED or (outcome == RETRY_THEN_SUCCEED and not retries)
        if refused:
            why = target.outcome.reason or _REFUSAL
            app.patch(operation_state(syncResult=_result(app, target, "SyncFailed", why)))
            return self._fail(app, "Failed", f"one or more objects failed to apply, reason: {why}", retries)
        how = rollouts.apply(self._double, app.release, target.manifest or {})
        result = _result(app, target, "Synced", f"deployment.apps/{app.key[1]} {how}")
        app.patch(operation_state(message="one or more tasks are running", syncResult=result))
        app.patch({"status": {"history": _history(app, target)}})
        self._end(app, "Succeeded", "successfully synced (all tasks run)")
        return None

    def _fail(self, app: Application, phase: str, message: str, done: int) -> float | None:
        """Waiting for a retry is being Running with an end."""
        limit = int((app.obj["operation"].get("retry") or {}).get("limit", 0))
        if done >= limit >= 0:
            self._end(app, phase, f"{message} (retried {done} times)." if done else message)
            return None
        at = (clock.now() + timedelta(seconds=self._back_off(done + 1))).strftime("%-I:%M%p")
        told = f"{message}. Retrying attempt #{done + 1} at {at}."
        app.patch(operation_state(phase="Running", finishedAt=timestamp(), retryCount=done + 1, message=told))
        return self._wait_for_retry(app)

    def _end(self, app: Application, phase: str, message: str) -> None:
        """The end and the removal of the operation are one write."""
        app.patch({**operation_state(phase=phase, message=message, finishedAt=timestamp()), "operation": None})


def _result(app: Application, target: Target, status: str, message: str) -> Object:
    namespace, name = app.release
    place = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": namespace, "name": name}
    resource = place | {"status": status, "message": message, "syncPhase": "Sync", "hookPhase": "Running"}
    return {"revision": target.revision, "source": app.source, "resources": [resource]}


def _history(app: Application, target: Target) -> list[dict[str, Any]]:
    """Appended only after a sync that succeeded. One that was appended before a controller died stays the last."""
    held: list[dict[str, Any]] = app.status.get("history") or []
    started = app.state["startedAt"]
    if held and (held[-1]["revision"], held[-1]["deployStartedAt"]) == (target.revision, started):
        return held
    entry = {
        "id": held[-1]["id"] + 1 if held else 0,
        "revision": target.revision,
        "deployStartedAt": started,
        "deployedAt": timestamp(),
        "source": app.source,
        "initiatedBy": app.obj["operation"].get("initiatedBy", {}),
    }
    return [*held, entry][-_HISTORY:]
