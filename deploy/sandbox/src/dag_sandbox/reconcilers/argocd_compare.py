"""Argo CD's refresh: compare, perhaps sync, write what was seen (argo-cd controller/{appcontroller,state}.go).

The end of an operation, a refresh that was asked for and the interval look at git; a changed Deployment does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from dag_common.errors import DagError, Invalid, NotFound
from dag_common.runtime import clock, ids
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import DEPLOYMENTS, Object
from dag_sandbox.reconcilers import manifests
from dag_sandbox.reconcilers.argocd_objects import REFRESH, Application
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.git_follower import Follower
from dag_sandbox.reconcilers.health import DEGRADED, MISSING, Health, health
from dag_sandbox.reconcilers.outcomes import RENDER_ERROR, RETRY_THEN_SUCCEED, ROLLBACK, Outcome, outcome_of
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key

# argoproj/argo-cd docs/operator-manual: timeout.reconciliation and timeout.reconciliation.jitter.
_USUAL_INTERVAL: Final = 120.0
_USUAL_JITTER: Final = 60.0
_COMMIT_LENGTH: Final = 40
Follow = Callable[[Application], Follower]
Choose = Callable[[Key], Outcome | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What an Application should be at a revision, or why that cannot be said."""

    revision: str
    manifest: Object | None = None
    outcome: Outcome = field(default_factory=Outcome)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Targets:
    """Makes manifests of revisions; `choose` overrules what a chart's values ask for."""

    follow: Follow
    choose: Choose

    async def latest(self, app: Application) -> Target:
        """At the tip. A revision that cannot be resolved, or gives no manifests, stays a name."""
        try:
            return await self.at(app, await self.follow(app).tip())
        except DagError as exc:
            return _failed(app, str(exc))

    async def at(self, app: Application, revision: str) -> Target:
        """At a commit."""
        try:
            chart = await self.follow(app).chart(revision, app.source["path"])
            outcome = self.choose(app.key) or outcome_of(chart.values)
        except (NotFound, Invalid) as exc:
            return _failed(app, str(exc))
        if outcome.outcome == RENDER_ERROR:
            return _failed(app, _rendering(chart, outcome))
        fate = Outcome() if outcome.outcome == RETRY_THEN_SUCCEED else outcome
        return Target(revision, manifests.deployment(app.release, chart, fate), outcome)


def _failed(app: Application, why: str) -> Target:
    words = (
        f"Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown: {why}"
    )
    return Target(app.source["targetRevision"], error=words)


def _rendering(chart: Built, outcome: Outcome) -> str:
    place = f"{chart.name}/templates/deployment.yaml"
    cause = outcome.reason or "nil pointer evaluating interface {}.tag"
    return f'`helm template .` failed exit status 1: Error: template: {place}:12:20: executing "{place}": {cause}'


class Comparisons:
    """Refreshes Applications: with the newest commit when that is due, else with the one that is known."""

    def __init__(self, double: ClusterDouble, targets: Targets, pace: Pace) -> None:
        self._double = double
        self._targets = targets
        self._pace = pace
        self._due: dict[Key, float] = {}

    def request(self, key: Key) -> None:
        """Have the next refresh look at git, as the end of an operation does."""
        self._due[key] = 0.0

    async def reconcile(self, key: Key) -> float:
        """One refresh; after how many seconds the next one is due."""
        app = Application(self._double, key)
        known = (app.status.get("sync") or {}).get("revision", "")
        latest = self._is_due(app) or len(known) != _COMMIT_LENGTH
        if latest:
            self._due[key] = clock.monotonic() + self._interval()
        target = await (self._targets.latest(app) if latest else self._targets.at(app, known))
        self._write(Application(self._double, key), target, latest=latest)
        return max(0.01, self._due[key] - clock.monotonic())

    def _is_due(self, app: Application) -> bool:
        compared = ((app.status.get("sync") or {}).get("comparedTo") or {}).get("source")
        changed = compared != app.source
        return changed or app.refreshing or clock.monotonic() >= self._due.get(app.key, 0.0)

    def _interval(self) -> float:
        if self._pace.interval is not None:
            return self._pace.interval
        return _USUAL_INTERVAL + ids.between(0, _USUAL_JITTER)

    def _write(self, app: Application, target: Target, *, latest: bool) -> None:
        """The operation first, what was seen of the comparison after it: two writes."""
        live = self._live(app)
        sync = _sync_code(target, live)
        trouble = self._sync_by_itself(app, target.revision) if sync == "OutOfSync" else ""
        found = Health(MISSING) if live is None else health(live)
        status = {
            "sync": {"status": sync, "revision": target.revision, "comparedTo": _compared(app)},
            "health": _health(app, found),
            "conditions": _conditions(app, ComparisonError=target.error, SyncError=trouble),
            "resources": [_resource(app, sync, found)],
            "sourceType": "Helm",
        }
        if latest:
            status["reconciledAt"] = timestamp()
        handled = {"metadata": {"annotations": {REFRESH: None}}} if app.refreshing and latest else {}
        app.patch({"status": status, **handled})
        if target.outcome.outcome == ROLLBACK and found.status == DEGRADED:
            roll_back(app)

    def _live(self, app: Application) -> Object | None:
        try:
            return self._double.get(DEPLOYMENTS, *app.release)
        except NotFound:
            return None

    def _sync_by_itself(self, app: Application, revision: str) -> str:
        """Start a sync, once a revision; why the last one failed if that is why there is none."""
        if not app.automated or "operation" in app.obj or "deletionTimestamp" in app.obj["metadata"]:
            return ""
        attempted = (app.state.get("syncResult") or {}).get("revision") == revision
        if attempted and app.state["phase"] in ("Failed", "Error"):
            return f"Failed last sync attempt to [{revision}]: {app.state['message']}"
        if not attempted or (app.policy.get("automated") or {}).get("selfHeal"):
            start(app, revision, {"automated": True})
        return ""


def start(app: Application, revision: str, by: dict[str, Any]) -> None:
    """Ask for a sync: one write, which the operation's worker takes up."""
    app.patch(_operation({"revision": revision}, by, app.retries))


def roll_back(app: Application) -> None:
    """What a person does about a bad release: no automated sync any more, and the sync before it once more.

    As argoproj/argo-cd server/application/application.go, Rollback, asks for it: from the history's own source, by
    plain apply, without a retry; it ends as an entry of the history with a number of its own.
    """
    history = app.status.get("history") or []
    if not app.automated or len(history) < 2:  # noqa: PLR2004  the bad one and one before it
        return
    good = history[-2]
    app.patch({"spec": {"syncPolicy": {"automated": None}}})
    sync = {"revision": good["revision"], "source": good["source"], "syncStrategy": {"apply": {}}}
    app.patch(_operation(sync, {"username": "admin"}, 0))


def _operation(sync: Object, by: dict[str, Any], retries: int) -> Object:
    return {"operation": {"sync": sync, "initiatedBy": by, "retry": {"limit": retries}}}


def _sync_code(target: Target, live: Object | None) -> str:
    if target.manifest is None:
        return "Unknown"
    if live is None:
        return "OutOfSync"
    same = manifests.applied(live, target.manifest) == live
    return "Synced" if same else "OutOfSync"


def _compared(app: Application) -> Object:
    return {"source": app.source, "destination": app.obj["spec"]["destination"]}


def _health(app: Application, found: Health) -> Object:
    held = app.status.get("health") or {}
    since = held.get("lastTransitionTime") if held.get("status") == found.status else timestamp()
    return {"status": found.status, "lastTransitionTime": since}


def _conditions(app: Application, **errors: str) -> list[Object] | None:
    """Conditions have no status: they are there or not. One whose words stay keeps its time."""
    held = {one["type"]: one for one in app.status.get("conditions") or []}
    kept = {type_: one for type_, one in held.items() if type_ not in errors}
    for type_, message in errors.items():
        if message and held.get(type_, {}).get("message") == message:
            kept[type_] = held[type_]
        elif message:
            kept[type_] = {"type": type_, "message": message, "lastTransitionTime": timestamp()}
    return list(kept.values()) or None


def _resource(app: Application, sync: str, found: Health) -> Object:
    namespace, name = app.release
    shown = {"status": found.status} | ({"message": found.message} if found.message else {})
    place = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": namespace, "name": name}
    return place | {"status": sync, "health": shown}
