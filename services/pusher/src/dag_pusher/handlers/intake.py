"""What waits at the head of a lane, as its streams tell it: what is to be pushed now, and what ends without a push."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_common.domain.deployment import Deployment, evolve
from dag_common.errors import Conflict, Unreadable
from dag_common.store.streams import Decision, Streams
from dag_common.store.todo import PushEntry
from dag_pusher.domain.ending import gives_way, overdue, superseded, too_late
from dag_pusher.domain.plan import Problem

log = structlog.get_logger()

BATCH_BYTES = 32 << 20
"""Charts (as sent, compressed) that one batch holds in memory at most; the first is always taken."""

NEWER_DAG = "this version of DAG cannot read what was recorded about it"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A deployment that waits to be pushed, and the record that asked for it.

    `too_late` says why it is only looked for in git and fails if it is not there; None: it is to be committed.
    `unsettled` are the tips its attempts of before built on: what became of them, nobody recorded.
    """

    deployment: Deployment
    request: Recorded
    too_late: Problem | None = None
    unsettled: tuple[str, ...] = ()

    @property
    def requested(self) -> DeploymentRequested:
        """The request; what stands on the to-do list was requested."""
        assert self.deployment.requested is not None  # noqa: S101 - the list and the log cannot disagree
        return self.deployment.requested

    @property
    def size(self) -> int:
        """Bytes of the chart that are to be held in memory."""
        return 0 if self.too_late else self.requested.chart.size


@dataclass(frozen=True, slots=True)
class Taken:
    """What a look at the list came to: `waiting` is to be pushed, `ended` to be recorded before."""

    waiting: Sequence[Waiting]
    ended: Sequence[Decision]


@dataclass(frozen=True, slots=True)
class _Read:
    """A stream as far as this code can read it."""

    deployment: Deployment
    records: Sequence[Recorded]
    whole: bool


class Intake:
    """Reads the streams behind the to-do list. A stream that cannot be read holds up nobody but its own deployment."""

    def __init__(self, streams: Streams, *, deadline: float) -> None:
        self._streams = streams
        self._deadline = deadline

    async def take(self, entries: Sequence[PushEntry]) -> Taken:
        """Sort the entries. Raises `Conflict` if the list has changed since it was read."""
        newer = [entry.superseded_by for entry in entries if entry.superseded_by]
        reads = await self._read([entry.deployment_id for entry in entries] + newer)
        _refuse_stale(read.deployment for read in reads.values())
        unreadable = [entry for entry in entries if not reads[entry.deployment_id].whole]
        if unreadable:
            log.error("entries_skipped", deployment_ids=[entry.deployment_id for entry in unreadable], reason=NEWER_DAG)
        whole = [entry for entry in entries if reads[entry.deployment_id].whole]
        ended = [*self._superseded(whole, reads), *self._given_up(unreadable, reads)]
        gone = {decision.deployment.id for decision in ended}
        return Taken(_first([self._waiting(each, reads) for each in whole if each.deployment_id not in gone]), ended)

    async def again(self, waiting: Waiting) -> Waiting | None:
        """The same deployment as its stream tells it now; None if it ended or was pushed meanwhile."""
        deployment = (await self._read([waiting.deployment.id]))[waiting.deployment.id].deployment
        return None if _settled(deployment) else replace(waiting, deployment=deployment, unsettled=deployment.bases)

    async def overdue(self, entries: Sequence[PushEntry], why: str) -> list[Decision]:
        """The end of every entry whose time is over, for when git cannot be asked whether it arrived."""
        late = [entry.deployment_id for entry in entries if entry.waited > self._deadline]
        reads = await self._read(late) if late else {}
        return [self._overdue(read, why) for read in reads.values() if not _settled(read.deployment)]

    async def _read(self, deployment_ids: Collection[DeploymentId]) -> dict[DeploymentId, _Read]:
        records = await self._streams.load_records(deployment_ids)
        return {deployment_id: _fold(deployment_id, records[deployment_id]) for deployment_id in records}

    def _superseded(self, entries: Sequence[PushEntry], reads: dict[DeploymentId, _Read]) -> list[Decision]:
        pairs = [(reads[entry.deployment_id].deployment, entry.superseded_by) for entry in entries]
        return [
            Decision(deployment, (superseded(deployment, reads[newer].deployment),))
            for deployment, newer in pairs
            if newer is not None and gives_way(deployment, newer)
        ]

    def _given_up(self, unreadable: Sequence[PushEntry], reads: dict[DeploymentId, _Read]) -> list[Decision]:
        late = [entry for entry in unreadable if entry.waited > self._deadline]
        return [self._overdue(reads[entry.deployment_id], NEWER_DAG) for entry in late]

    def _overdue(self, read: _Read, why: str) -> Decision:
        return Decision(read.deployment, (overdue(read.deployment, deadline=self._deadline, why=why),))

    def _waiting(self, entry: PushEntry, reads: dict[DeploymentId, _Read]) -> Waiting:
        read = reads[entry.deployment_id]
        late = too_late(read.deployment, waited=entry.waited, deadline=self._deadline)
        return Waiting(read.deployment, read.records[0], late, read.deployment.bases)


def _first(waiting: Iterable[Waiting]) -> list[Waiting]:
    """As many as a batch may hold."""
    first: list[Waiting] = []
    size = 0
    for each in waiting:
        size += each.size
        if first and size > BATCH_BYTES:
            break
        first.append(each)
    return first


def _fold(deployment_id: DeploymentId, records: Sequence[Recorded]) -> _Read:
    """The state after what can be read, at the version of the last record: one that ends the deployment fits on it."""
    deployment = Deployment(id=deployment_id)
    try:
        for record in records:
            deployment = evolve(deployment, record)
    except Exception as exc:
        if not isinstance(exc, Unreadable):
            log.exception("stream_not_folded", deployment_id=deployment_id)
        last = records[-1]
        return _Read(replace(deployment, version=last.version, last_event_id=last.event_id), records, whole=False)
    return _Read(deployment, records, whole=True)


def _refuse_stale(deployments: Iterable[Deployment]) -> None:
    for deployment in deployments:
        if _settled(deployment):
            raise Conflict(f"{deployment.id} was taken off the list meanwhile")


def _settled(deployment: Deployment) -> bool:
    return deployment.ended or deployment.pushed is not None
