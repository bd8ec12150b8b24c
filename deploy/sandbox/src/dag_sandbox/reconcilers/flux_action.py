"""One Helm action with all its writes: attempt, failure, remediation (fluxcd/helm-controller internal/reconcile)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers import flux_texts as texts
from dag_sandbox.reconcilers import helm_history
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.flux_remedy import Remedy
from dag_sandbox.reconcilers.flux_workload import Workload
from dag_sandbox.reconcilers.flux_writer import GONE, FluxWriter, no, unknown, yes
from dag_sandbox.reconcilers.helm_history import History
from dag_sandbox.reconcilers.outcomes import REFUSED, RENDER_ERROR, STUCK, Outcome
from dag_sandbox.reconcilers.pace import Pace

_DOUBLED_AT_MOST: Final = 6
_FINE: Final = Outcome()
_NO_FAILURES: Final = {"failures": GONE, "installFailures": GONE, "upgradeFailures": GONE}


@dataclass(frozen=True, slots=True)
class Work:
    """A release to be brought to a chart, and how that is to go."""

    writer: FluxWriter
    obj: Object
    chart: Built
    outcome: Outcome
    config_digest: str

    @property
    def history(self) -> History:
        """The release's history as it is now."""
        history: History = self.writer.status.get("history") or []
        return history

    @property
    def verb(self) -> str:
        """What Helm does: the first time it installs."""
        held = (entry for entry in self.history if entry["status"] != "uninstalled")
        return "upgrade" if any(held) else "install"

    @property
    def name(self) -> str:
        """The Helm release, as messages name it."""
        metadata = self.obj["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"

    @property
    def changed(self) -> bool:
        """Whether anything is new since the last attempt: then failures are counted from zero."""
        status = self.writer.status
        last = (status.get("lastAttemptedGeneration"), status.get("lastAttemptedRevision"))
        now = (self.obj["metadata"]["generation"], self.chart.version)
        return last != now or status.get("lastAttemptedConfigDigest") != self.config_digest

    def attempted(self) -> dict[str, Any]:
        """The fields that say what is attempted."""
        return {
            "lastAttemptedGeneration": self.obj["metadata"]["generation"],
            "lastAttemptedRevision": self.chart.version,
            "lastAttemptedConfigDigest": self.config_digest,
            "storageNamespace": self.obj["metadata"]["namespace"],
        }

    def entry(self) -> helm_history.Entry:
        """A history entry for this chart, its status still to come."""
        metadata, history, now = self.obj["metadata"], self.history, timestamp()
        return {
            "apiVersion": "v2", "name": metadata["name"], "namespace": metadata["namespace"],
            "version": helm_history.next_number(history), "action": self.verb, "chartName": self.chart.name,
            "chartVersion": self.chart.version, "appVersion": self.chart.app_version,
            "configDigest": self.config_digest, "firstDeployed": history[-1]["firstDeployed"] if history else now,
            "lastDeployed": now,
        }  # fmt: skip


def in_sync(work: Work) -> bool:
    """Whether the release runs the chart already; if so, says so. Helm compares name, version and values only."""
    latest = work.history[0] if work.history else {}
    wanted = ("deployed", work.chart.name, work.chart.version, work.config_digest)
    if tuple(latest.get(key) for key in ("status", "chartName", "chartVersion", "configDigest")) != wanted:
        return False
    done = work.writer.condition("Released")
    if done is None or done.status != "True":
        done = yes("UpgradeSucceeded", texts.succeeded("upgrade", work.name, latest["version"], work.chart.label))
    work.writer.conditions(Released=done, Ready=done, Remediated=GONE, Reconciling=GONE, Stalled=GONE)
    work.writer.handled(observed=True, **work.attempted(), **_NO_FAILURES)
    return True


class Action:
    """Runs one attempt; `woken` is set when something new is there, which is what a stuck release waits for."""

    def __init__(self, work: Work, pace: Pace, woken: asyncio.Event, workload: Workload | None = None) -> None:
        self._work = work
        self._workload = workload
        self._writer = work.writer
        self._pace = pace
        self._woken = woken
        self._verb = work.verb
        self._remedy = Remedy(self._writer, work.obj, self._verb, work.outcome.retries, pace)
        self._remedy.workload = workload

    async def run(self) -> float | None:
        """Attempt, write what came of it; after how many seconds to come back."""
        failures = 0 if self._work.changed else self._writer.status.get("failures", 0)
        if failures and self._remedy.exhausted:
            self._remedy.give_up()
            return None
        entry = self._work.entry()
        self._begin(failures)
        self._apply(failures)
        if self._work.outcome.outcome == STUCK:
            await self._woken.wait()
            return 0.0
        if self._work.outcome.outcome == RENDER_ERROR:
            return self._not_rendered(failures + 1)
        seconds = self._work.outcome.seconds
        await asyncio.sleep(self._pace.action if seconds is None else seconds)
        if self._workload and self._work.outcome.outcome != REFUSED:
            await self._workload.settled()
        if self._work.outcome.fails(attempts_failed=failures):
            return await self._failed(entry, failures + 1)
        return self._succeeded(entry)

    def _apply(self, failures: int) -> None:
        """What Helm applies before it waits; a retry brings pods that do well."""
        outcome = self._work.outcome
        if self._workload is None or outcome.outcome in (RENDER_ERROR, REFUSED):
            return
        goes_wrong = outcome.outcome == STUCK or outcome.fails(attempts_failed=failures)
        self._workload.apply(self._work.chart, outcome if goes_wrong else _FINE)

    def _begin(self, failures: int) -> None:
        running = texts.running(self._verb, self._work.obj)
        self._writer.conditions(
            Reconciling=yes("Progressing", running),
            Ready=unknown("Progressing", running),
            Remediated=GONE,
            TestSuccess=GONE,
        )
        fresh = {} if failures else _NO_FAILURES
        self._writer.rest(self._work.attempted() | {"lastAttemptedReleaseAction": self._verb} | fresh)

    def _succeeded(self, entry: helm_history.Entry) -> float | None:
        reason = f"{self._verb.capitalize()}Succeeded"
        done = yes(reason, texts.succeeded(self._verb, self._work.name, entry["version"], self._work.chart.label))
        self._writer.conditions(Released=done, Ready=done)
        self._writer.rest({"history": helm_history.released(self._work.history, entry)})
        self._writer.conditions(Reconciling=GONE)
        self._writer.handled(observed=True, **_NO_FAILURES)
        return None

    async def _failed(self, entry: helm_history.Entry, failures: int) -> float | None:
        outcome = self._work.outcome
        refused = outcome.outcome == REFUSED
        cause = texts.refused(outcome.reason) if refused else texts.not_ready(self._work.obj, outcome.reason)
        message = self._fail(cause)
        stored = f"{self._verb}Failures"
        self._writer.rest(
            {
                "history": helm_history.failed(self._work.history, entry),
                "failures": failures,
                stored: self._writer.status.get(stored, 0) + 1,
            }
        )
        return await self._remedy.after(message)

    def _not_rendered(self, failures: int) -> float:
        """Nothing was stored by Helm: no history, no stall, only another try, later and later."""
        message = self._fail(texts.not_rendered(self._work.chart.name, self._work.outcome.reason))
        self._writer.conditions(Reconciling=yes("ProgressingWithRetry", message))
        self._writer.handled(observed=False, failures=failures)
        return self._pace.retry * (1 << min(failures, _DOUBLED_AT_MOST))

    def _fail(self, cause: str) -> str:
        message = texts.failed(self._verb, self._work.name, self._work.chart.label, cause)
        reason = f"{self._verb.capitalize()}Failed"
        self._writer.conditions(Released=no(reason, message), Ready=no(reason, message))
        return message
