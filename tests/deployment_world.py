"""DAG in one thread: the handlers that ship, between a log and a git host in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from git_model import HostModel, MirrorModel
from log_model import ModelDatabase
from no_cluster import NoCluster
from standing_workers import Clock, Worker, gate
from structlog.testing import capture_logs

from dag_common.bus.seam import Message
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import CancellationRequested, DeploymentId, DeploymentRequested, RolloutTarget
from dag_common.delivery.relay import as_message
from dag_common.domain.deployment import Deployment
from dag_common.errors import Conflict, Unavailable
from dag_common.runtime import clock
from dag_common.store import todo
from dag_common.store.streams import Decision, Streams
from dag_common.store.todo import Lane
from dag_gateway.handlers.request import Checked, RequestDeployment, RequestDeploymentHandler
from dag_monitor.domain.expectation import Knowledge, Objects
from dag_monitor.domain.judges import Judge
from dag_monitor.domain.rollout import Sight, decide
from dag_monitor.domain.sighting import Seen, Sighting, Unseen
from dag_monitor.domain.verdict import Verdict
from dag_monitor.handlers import judging
from dag_monitor.handlers.hands import Hands, Hold
from dag_monitor.handlers.judging import Lookout
from dag_monitor.handlers.rollouts import Rollouts
from dag_pusher.git import IacBranch
from dag_pusher.handlers.batch import GroupCommit
from dag_pusher.handlers.preparation import Preparation

LANES = (Lane("iac", "main"), Lane("iac", "live"))
DEADLINE = 900.0
TIMEOUT = 600


class World:
    """Everything there is, and the ways to set a worker to work on it."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.host = HostModel(directory)
        self.database = ModelDatabase(gate)
        self.cluster: dict[str, Verdict] = {}
        self.workers: list[Worker] = []
        self._loop = asyncio.new_event_loop()
        self._patches = ExitStack()
        self._patches.enter_context(capture_logs())
        self._patches.enter_context(patch.object(clock, "datetime", self.clock))
        self._patches.enter_context(patch.object(clock, "time", self.clock))
        self._patches.enter_context(patch.object(judging, "judge_for", lambda _kind: SCRIPTED))

    @property
    def records(self) -> list[Recorded]:
        return self.database.log.records

    def close(self) -> None:
        tasks = [worker.task for worker in self.workers]
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._patches.close()

    def request(self, event: DeploymentRequested, chart: bytes) -> Worker:
        return self._at_work("gateway", self._request(event, chart))

    def cancel(self, deployment_id: DeploymentId) -> Worker:
        return self._at_work("gateway", self._cancel(deployment_id))

    def drain(self, lane: Lane) -> Worker:
        return self._at_work(f"pusher of {lane.branch}", self._drain(lane))

    def watch(self, record: Recorded) -> Worker:
        return self._at_work("monitor", self._watch(record))

    def decide(self, deployment_id: DeploymentId) -> Worker:
        return self._at_work("monitor", self._decide(deployment_id))

    def _at_work(self, kind: str, work: Coroutine[Any, Any, None]) -> Worker:
        self.workers.append(Worker(kind, work, self._loop))
        return self.workers[-1]

    def _streams(self, service: str) -> Streams:
        return Streams(self.database, service)  # type: ignore[arg-type]

    async def _request(self, event: DeploymentRequested, chart: bytes) -> None:
        handler = Admitting(event, self.database)
        try:
            await handler(RequestDeployment(asked=None, version=event.version, chart=chart))  # type: ignore[arg-type]
        except Unavailable:
            return

    async def _cancel(self, deployment_id: DeploymentId) -> None:
        streams = self._streams("gateway")
        try:
            deployment = await streams.load(deployment_id)
            if not deployment.ended and deployment.pushed is None and deployment.cancellation is None:
                await streams.append(Decision(deployment, (CancellationRequested(by="ada"),)))
        except (Conflict, Unavailable):
            return

    async def _drain(self, lane: Lane) -> None:
        """What a lane's holder does, but for the lock: it may have been lost, and git and the log must fence then."""
        branch = IacBranch(MirrorModel(self.host, lane.branch, gate))  # type: ignore[arg-type]
        commit = GroupCommit(
            self._streams("pusher"),
            Preparation(self.database),  # type: ignore[arg-type]
            lambda _lane: branch,
            deadline=DEADLINE,
        )
        try:
            while entries := await self._entries(lane):
                try:
                    await commit.push(lane, entries)
                except Conflict:
                    continue
        except Unavailable:
            return

    async def _entries(self, lane: Lane) -> list[todo.PushEntry]:
        async with self.database.connection() as connection:
            return await todo.to_push(connection, lane)  # type: ignore[arg-type]

    async def _watch(self, record: Recorded) -> None:
        lookout, hands = self._lookout(), Hands(at_once=1, hold_seconds=3600)
        monitor = StandingRollouts(self._streams("monitor"), lookout, hands, _let_go, clock.now)
        try:
            await monitor.when_chart_pushed_watch_rollout(as_message(record))
        except Unavailable:
            return

    def _lookout(self) -> Lookout:
        return Lookout(Windows(self.cluster), NothingKnown(), NoCluster(), NoCluster())

    async def _decide(self, deployment_id: DeploymentId) -> None:
        """A monitor that asks nothing but `decide`: whatever it is asked on, in whatever state."""
        streams = self._streams("monitor")
        try:
            deployment = await streams.load(deployment_id)
            facts = decide(deployment, Sight(dict(self.cluster)), clock.now())
            await streams.append(Decision(deployment, facts))
        except (Conflict, Unavailable):
            return


class Admitting(RequestDeploymentHandler):
    """The gateway's handler for a request that passed every check."""

    def __init__(self, event: DeploymentRequested, database: ModelDatabase) -> None:
        super().__init__(database, None)  # type: ignore[arg-type]
        self._event = event

    async def check(self, command: RequestDeployment) -> Checked:
        return Checked(self._event, chart=None)  # type: ignore[arg-type]


class StandingRollouts(Rollouts):
    """The monitor's handler, which looks again when it is let go on."""

    async def _pause(self, deployment: Deployment, sight: Sight, hold: Hold) -> None:
        await gate("pause")


class NothingKnown:
    async def knowledge(self, deployment: Deployment, seen: Collection[str], changed: asyncio.Event) -> Knowledge:
        return Knowledge()


class Windows:
    """Views of a cluster in which each target shows its verdict, or nothing yet."""

    def __init__(self, cluster: dict[str, Verdict]) -> None:
        self._cluster = cluster

    @asynccontextmanager
    async def open(self, target: RolloutTarget, changed: asyncio.Event) -> AsyncIterator[Window]:
        yield Window(self._cluster, target)


class Window:
    def __init__(self, cluster: dict[str, Verdict], target: RolloutTarget) -> None:
        self._cluster, self._target = cluster, target

    async def look(self) -> Sighting:
        shown = self._cluster.get(self._target.id)
        return Seen({"verdict": shown}) if shown else Unseen("the cluster cannot be watched")  # type: ignore[dict-item]


def _as_shown(objects: Objects, _expectation: object) -> Verdict:
    return objects["verdict"]  # type: ignore[index,return-value]


SCRIPTED = Judge(_as_shown, lambda _objects, _target: ())


async def _let_go(_message: Message) -> None:
    """The wake-up is lost: the list still knows of the rollout."""
