"""What Flux does after a failed attempt: try again, roll back or uninstall first, or give up."""

from __future__ import annotations

import asyncio
from typing import Any

from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import Object
from dag_sandbox.reconcilers import flux_texts as texts
from dag_sandbox.reconcilers import helm_history
from dag_sandbox.reconcilers.durations import seconds, written
from dag_sandbox.reconcilers.flux_workload import Workload
from dag_sandbox.reconcilers.flux_writer import GONE, FluxWriter, no, yes
from dag_sandbox.reconcilers.helm_history import History
from dag_sandbox.reconcilers.pace import Pace


class Remedy:
    """The remediation of one action (`install` or `upgrade`), by the release's spec and at least `retries` retries."""

    def __init__(self, writer: FluxWriter, obj: Object, verb: str, retries: int, pace: Pace) -> None:
        self.workload: Workload | None = None
        self._writer = writer
        self._obj = obj
        self._verb = verb
        self._pace = pace
        spec: dict[str, Any] = obj["spec"].get(verb) or {}
        remediation: dict[str, Any] = spec.get("remediation") or {}
        self._strategy: dict[str, Any] = spec.get("strategy") or {}
        self._retries = max(int(remediation.get("retries", 0)), retries) if remediation.get("retries") != -1 else -1
        self._remediates_last = bool(remediation.get("remediateLastFailure", self._retries > 0))

    @property
    def exhausted(self) -> bool:
        """Whether no attempt is left; never with `retries: -1` or the strategy RetryOnFailure."""
        unlimited = self._retries < 0 or self._strategy.get("name") == "RetryOnFailure"
        return not unlimited and self._attempts > self._retries

    async def after(self, message: str) -> float | None:
        """Go on after an attempt that failed with `message`; after how many seconds to try again, None for never."""
        if self._strategy.get("name") == "RetryOnFailure":
            return self._retry_later()
        if self.exhausted and not self._remediates_last:
            self.give_up()
            return None
        if self._verb == "upgrade" and helm_history.deployed(self._history) is None:
            self._stall("MissingRollbackTarget", texts.NO_TARGET)
            return None
        told = await self._remediate()
        if self.exhausted:
            self.give_up()
            return None
        self._writer.conditions(Reconciling=yes("ProgressingWithRetry", told or message))
        self._writer.handled(observed=True)
        return self._pace.retry

    def give_up(self) -> None:
        """Stalled: only a new chart, another spec or a person's request sets it going again."""
        self._stall("RetriesExceeded", f"Failed to {self._verb} after {self._attempts} attempt(s)")

    def _stall(self, reason: str, message: str) -> None:
        self._writer.conditions(Stalled=yes(reason, message))
        self._writer.handled(observed=True)

    @property
    def _attempts(self) -> int:
        return int(self._writer.status.get(f"{self._verb}Failures", 0))

    @property
    def _history(self) -> History:
        history: History = self._writer.status.get("history") or []
        return history

    def _retry_later(self) -> float:
        interval = written(seconds(str(self._strategy.get("retryInterval", "5m"))))
        self._writer.conditions(Reconciling=yes("ProgressingWithRetry", f"retrying after {interval}"))
        self._writer.handled(observed=True)
        return self._pace.retry

    async def _remediate(self) -> str:
        """Ready stays False all the time, also when the remediation succeeds: it then tells of that."""
        action = "rollback" if self._verb == "upgrade" else "uninstall"
        self._writer.conditions(Reconciling=yes("Progressing", texts.running(action, self._obj)))
        if self.workload:
            self.workload.take_back(action)
        await asyncio.sleep(self._pace.action / 2)
        if self.workload and action == "rollback":
            await self.workload.settled()
        reason, message = f"{action.capitalize()}Succeeded", texts.remediated(action, self._obj, self._history)
        after = (
            helm_history.rolled_back(self._history, now=timestamp())
            if action == "rollback"
            else helm_history.uninstalled(self._history)
        )
        self._writer.conditions(Remediated=yes(reason, message), Ready=no(reason, message), TestSuccess=GONE)
        self._writer.rest({"history": after})
        return message
