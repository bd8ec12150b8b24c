"""A pusher's lane with real parts: git over HTTP, the event log, the charts; deployments put in by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from examples import REQUESTED, fresh_id, new
from git_examples import chart_files

from dag_common.charts.pack import pack
from dag_common.contracts.envelope import instant, stream_of
from dag_common.contracts.events import (
    CancellationRequested,
    ChartRef,
    DeploymentFailed,
    DeploymentId,
    Event,
    PushStarted,
    ValidationStarted,
)
from dag_common.domain.deployment import Deployment
from dag_common.iac.access import Access
from dag_common.iac.mirror import Mirror
from dag_common.runtime.clock import now
from dag_common.runtime.ids import new_event_id
from dag_common.store import charts, event_log
from dag_common.store.database import Database
from dag_common.store.statements import statement
from dag_common.store.streams import Decision, Streams
from dag_common.store.todo import Lane
from dag_pusher.domain.message import read_trailers
from dag_pusher.domain.plan import Problem
from dag_pusher.git import IacBranch
from dag_pusher.handlers.attempt import Branch
from dag_pusher.handlers.batch import GroupCommit
from dag_pusher.handlers.intake import Waiting
from dag_pusher.handlers.lanes import Lanes
from dag_pusher.handlers.preparation import Preparation
from dag_sandbox.githost import GitHost

LANE = Lane("iac", "main")


class PusherWorld:
    """One lane, what waits in it, and what became of it."""

    def __init__(self, database: Database, host: GitHost, mirror: Mirror) -> None:
        self.database = database
        self.host = host
        self.mirror = mirror
        self.branch = IacBranch(mirror)
        self.start = host.repository("iac").tip()

    async def request(
        self, number: int = 1, *, environment: str = "production", supersede: bool = False
    ) -> DeploymentId:
        """A deployment with a chart of its own waits."""
        deployment_id, version = fresh_id(), f"1.0.{number}"
        archive = pack("podinfo", chart_files("0.1.0", **{f"templates/{number}.yaml": b"kind: ConfigMap\n"}))
        async with self.database.transaction() as connection:
            digest = await charts.put(connection, archive)
            requested = msgspec.structs.replace(
                REQUESTED,
                version=version,
                environment=environment,
                supersede=supersede,
                chart=ChartRef(sha256=digest, size=len(archive), name="podinfo", version="0.1.0"),
                iac=msgspec.structs.replace(REQUESTED.iac, path=f"apps/{environment}"),
            )
            await event_log.append(connection, [new(deployment_id, 1, requested)])
        return deployment_id

    async def request_unreadable(self) -> DeploymentId:
        """A deployment of which a newer DAG recorded something this one does not know."""
        deployment_id = await self.request()
        row = {
            "event_id": new_event_id(),
            "stream": stream_of(deployment_id),
            "version": 2,
            "type": "validation.imagined",
            "schema": 1,
            "occurred_at": instant(now()),
            "correlation_id": str(deployment_id),
            "causation_id": "",
            "service": "pusher",
            "traceparent": "",
            "payload": "{}",
        }
        async with self.database.transaction() as connection:
            await connection.execute(statement("append_events"), msgspec.json.encode([row]).decode())
        return deployment_id

    async def begin(self, deployment_id: DeploymentId) -> None:
        """A pusher announced its push and died before anything was built."""
        facts = (ValidationStarted(), PushStarted(attempt=1, base=self.host.repository("iac").tip()))
        await Streams(self.database, "pusher").append(Decision(await self.state(deployment_id), facts))

    async def push_unrecorded(self, deployment_id: DeploymentId) -> None:
        """A pusher's push arrived, and it died before it recorded that."""
        records = (await Streams(self.database, "pusher").load_records([deployment_id]))[deployment_id]
        waiting = Waiting(await self.state(deployment_id), records[0])
        chart = await Preparation(self.database).prepare(waiting)
        await self.branch.push(await self.branch.prepare([chart], await self.branch.look()))

    async def cancel(self, deployment_id: DeploymentId) -> None:
        """What a gateway does when somebody cancels: it ends itself what no push has begun for."""
        deployment = await self.state(deployment_id)
        end = DeploymentFailed(stage=deployment.status, reason="cancelled", message="Cancelled by ada")
        events: list[Event] = [CancellationRequested(by="ada")]
        if deployment.push_attempts == 0:
            events.append(end)
        await Streams(self.database, "gateway").append(Decision(deployment, events))

    async def state(self, deployment_id: DeploymentId) -> Deployment:
        """A deployment as its stream tells it."""
        return await Streams(self.database, "pusher").load(deployment_id)

    async def failure(self, deployment_id: DeploymentId) -> DeploymentFailed:
        """How a deployment ended."""
        failure = (await self.state(deployment_id)).failure
        assert failure is not None
        return failure

    def lanes(
        self, *, branch: Branch | None = None, preparation: Preparation | None = None, deadline: float = 900
    ) -> Lanes:
        """A pusher's lanes; a negative deadline is over for everybody."""
        commit = GroupCommit(
            Streams(self.database, "pusher"),
            preparation or Preparation(self.database),
            lambda _lane: branch or self.branch,
            deadline=deadline,
        )
        return Lanes(self.database, commit, at_once=2)

    def in_git(self) -> list[str]:
        """The deployments whose commits the branch holds, the oldest first."""
        found = [read_trailers(commit.message) for commit in self.host.repository("iac").log("main")]
        return [trailers.deployment_id for trailers in reversed(found) if trailers]


class BrokenPreparation(Preparation):
    """Raises what nobody foresaw for one version, at most so many times."""

    def __init__(self, database: Database, version: str, *, times: int = 1_000) -> None:
        super().__init__(database)
        self._version = version
        self._left = times
        self.struck = 0

    async def _files(self, waiting: Waiting) -> Mapping[str, bytes] | Problem:
        if waiting.requested.version == self._version and self.struck < self._left:
            self.struck += 1
            raise RuntimeError("a secret that no event may hold")
        return await super()._files(waiting)


@asynccontextmanager
async def pusher_world(database: Database, directory: Path) -> AsyncIterator[PusherWorld]:
    """A lane whose branch holds one commit of somebody else's."""
    async with GitHost(directory / "host") as host:
        await host.commit("iac", {"README.md": b"hello"})
        mirror = Mirror(host.url("iac"), "main", directory / "mirrors", Access)
        yield PusherWorld(database, host, mirror)
        await mirror.close()
