"""The `helm` command's actions with all their writes (helm/helm pkg/action/{install,upgrade,rollback,uninstall}.go)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from dag_common.errors import Conflict, NotFound
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import DEPLOYMENTS
from dag_sandbox.reconcilers import manifests, rollouts
from dag_sandbox.reconcilers.charts import Built
from dag_sandbox.reconcilers.health import DEGRADED, settled
from dag_sandbox.reconcilers.helm_release import DEPLOYED, FAILED, PENDING, SUPERSEDED, UNINSTALLED, HelmRelease
from dag_sandbox.reconcilers.helm_storage import Storage
from dag_sandbox.reconcilers.outcomes import REFUSED, RENDER_ERROR, ROLLBACK, STUCK, Outcome
from dag_sandbox.reconcilers.pace import Pace

_REFUSAL: Final = 'admission webhook "policy.example.com" denied the request'


@dataclass(frozen=True, slots=True)
class HelmFlags:
    """The flags of `helm upgrade --install` that matter here.

    `timeout` is how many seconds `wait` waits; None: until the Deployment is well or past its own deadline.
    """

    wait: bool = True
    timeout: float | None = None
    rollback_on_failure: bool = False
    history_max: int = 10


class Helm:
    """`helm` on one release. With `wait`, somebody must bring Deployments to an end, as `WorkloadControllers` do."""

    def __init__(self, double: ClusterDouble, release: tuple[str, str], pace: Pace, flags: HelmFlags) -> None:
        self._double = double
        self._key = release
        self._pace = pace
        self._flags = flags
        self._storage = Storage(double, release, flags.history_max)

    def history(self) -> list[HelmRelease]:
        """`helm history`, the newest version first."""
        return self._storage.history()

    async def upgrade_install(self, chart: Built, outcome: Outcome, fate: Outcome) -> None:
        """`helm upgrade --install`: how it goes is the outcome, how the pods go the fate. Raises `Conflict`."""
        history = self.history()
        if history and history[0].status in PENDING:
            raise Conflict("another operation (install/upgrade/rollback) is in progress")
        if outcome.outcome == RENDER_ERROR:
            return  # templates are rendered before anything is stored
        fresh = not history or history[0].status == UNINSTALLED
        release = self._begin(chart, fate, history, fresh=fresh)
        if outcome.outcome != REFUSED:
            rollouts.apply(self._double, self._key, release.manifest)
        if outcome.outcome == STUCK:
            return  # killed; what it has written stays
        trouble = await self._wait(outcome)
        if not trouble:
            self._succeed(release, fresh=fresh)
            return
        self._fail(release, trouble, fresh=fresh)
        if self._flags.rollback_on_failure or outcome.outcome == ROLLBACK:
            await self._undo(release, fresh=fresh)

    async def rollback(self, version: int) -> None:
        """`helm rollback`: an older version once more, with a number of its own. Raises `NotFound`, `Conflict`."""
        history = self.history()
        target = next((one for one in history if one.version == version), None)
        if target is None:
            raise NotFound(f"release has no {version} version")
        if history[0].status in PENDING:
            raise Conflict("another operation (install/upgrade/rollback) is in progress")
        again = replace(
            target,
            version=history[0].version + 1,
            status="pending-rollback",
            description=f"Rollback to {version}",
            last_deployed=timestamp(),
            rollback_to=version,
        )
        self._storage.create(again)
        rollouts.apply(self._double, self._key, again.manifest)
        await asyncio.sleep(self._pace.action / 2)
        self._storage.supersede()
        self._storage.update(again, status=DEPLOYED)

    async def uninstall(self, *, keep_history: bool = False) -> None:
        """`helm uninstall`. Raises `NotFound`."""
        history = self.history()
        if not history:
            raise NotFound(f"uninstall: Release not loaded: {self._key[1]}: release: not found")
        newest = replace(history[0], deleted=timestamp())
        going = self._storage.update(
            newest, status="uninstalling", description="Deletion in progress (or silently failed)"
        )
        rollouts.remove(self._double, self._key)
        await asyncio.sleep(self._pace.action / 2)
        if keep_history:
            self._storage.update(going, status=UNINSTALLED, description="Uninstallation complete")
        else:
            self._storage.purge()

    def _begin(self, chart: Built, fate: Outcome, history: list[HelmRelease], *, fresh: bool) -> HelmRelease:
        now = timestamp()
        if history and fresh:
            self._storage.update(history[0], status=SUPERSEDED)
        return self._storage.create(
            HelmRelease(
                namespace=self._key[0],
                name=self._key[1],
                version=history[0].version + 1 if history else 1,
                status="pending-install" if fresh else "pending-upgrade",
                description="Initial install underway" if fresh else "Preparing upgrade",
                chart=chart,
                manifest=manifests.deployment(self._key, chart, fate),
                first_deployed=now if fresh else history[0].first_deployed,
                last_deployed=now,
            )
        )

    async def _wait(self, outcome: Outcome) -> str:
        """What went wrong, as Helm words it; nothing if all went well, or if nobody waited for it."""
        if outcome.outcome == REFUSED:
            return outcome.reason or _REFUSAL
        await asyncio.sleep(self._pace.action if outcome.seconds is None else outcome.seconds)
        if not self._flags.wait:
            return ""
        try:
            async with asyncio.timeout(self._flags.timeout):
                found = await settled(self._double, self._key)
        except TimeoutError:
            obj = self._double.get(DEPLOYMENTS, *self._key)
            updated = f"Updated: {obj.get('status', {}).get('updatedReplicas', 0)}/{obj['spec']['replicas']}"
            return self._not_ready("InProgress", outcome.reason or updated)
        why = outcome.reason or "Progress deadline exceeded"
        return self._not_ready("Failed", why) if found.status == DEGRADED else ""

    def _not_ready(self, status: str, why: str) -> str:
        where = f"Deployment/{self._key[0]}/{self._key[1]}"
        return f"resource {where} not ready. status: {status}, message: {why}\ncontext deadline exceeded"

    def _succeed(self, release: HelmRelease, *, fresh: bool) -> None:
        """What ran is superseded before the new version is deployed: for a moment nothing is."""
        self._storage.supersede()
        self._storage.update(release, status=DEPLOYED, description=f"{'Install' if fresh else 'Upgrade'} complete")

    def _fail(self, release: HelmRelease, trouble: str, *, fresh: bool) -> None:
        current = self._storage.deployed()
        if current is not None:
            self._storage.update(current)
        what = f'Release "{release.name}"' if fresh else f'Upgrade "{release.name}"'
        self._storage.update(release, status=FAILED, description=f"{what} failed: {trouble}")

    async def _undo(self, release: HelmRelease, *, fresh: bool) -> None:
        if fresh:
            await self.uninstall()
            return
        good = (one for one in self.history() if one.version < release.version)
        target = next((one for one in good if one.status in (DEPLOYED, SUPERSEDED)), None)
        if target is not None:
            await self.rollback(target.version)
