"""The log in memory (`log_model`), which properties rest on, answers whatever it is asked as Postgres does.

Not asked: what is refused for a line break in its envelope, and two transactions at once: the model knows neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from depth import trying
from examples import EVERY_EVENT, PUSHED, requested
from examples import new as new_event
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from log_model import ModelConnection, ModelDatabase

from dag_common.contracts.envelope import GENESIS_HASH, NewEvent, Recorded, chained_hash
from dag_common.contracts.events import DeploymentFailed, DeploymentId, DeploymentSucceeded, Event, IacTarget
from dag_common.errors import Conflict, NotFound
from dag_common.store import charts, event_log, requests, todo
from dag_common.store.database import Connection, Database

DEPLOYMENTS = [DeploymentId(f"0199aaaa-0000-7000-8000-00000000000{number}") for number in range(5)]
CHARTS = [b"", b"a chart"]
LANES = [todo.Lane("iac", "main"), todo.Lane("iac", "live")]
REQUESTS: list[Event] = [
    requested(
        environment=environment,
        supersede=supersede,
        iac=IacTarget(repository="iac", url="https://git.example.com/iac.git", branch=branch, path="apps/web"),
    )
    for branch, environment, supersede in product(("main", "main", "live"), ("staging", "production"), (False, True))
]
MOVES: list[Event] = [PUSHED, DeploymentSucceeded(message="done"), DeploymentFailed(stage="", reason="", message="")]
"""What takes a deployment from list to list."""


class ChangedItsMind(Exception):
    """A transaction that its caller does not commit."""


@dataclass
class Run:
    """What one example has sent so far. Whoever is asked first builds the events, so both are sent the same."""

    sent: list[NewEvent] = field(default_factory=list)
    built: dict[Append, list[NewEvent]] = field(default_factory=dict)

    def events(self, step: Append, log: Any) -> list[NewEvent]:
        if step not in self.built:
            batch: list[NewEvent] = []
            for draft in step.drafts:
                batch.append(draft.built(self.sent, log, batch))
                self.sent.append(batch[-1])
            self.built[step] = batch
        return self.built[step]


@dataclass(frozen=True)
class Draft:
    """An event for one of the streams, `skew` off the version that is next.

    `again` takes the id of one that was sent before, recorded or not; `whole` takes all of it.
    """

    stream: int
    event: Event
    skew: int
    again: int | None
    whole: bool

    def built(self, sent: Sequence[NewEvent], log: Any, batch: Sequence[NewEvent]) -> NewEvent:
        old = sent[self.again % len(sent)] if self.again is not None and sent else None
        if old is not None and self.whole:
            return old
        deployment_id = DEPLOYMENTS[self.stream]
        known = {record.event_id for record in log.records}
        ahead = sum(each.deployment_id == deployment_id and each.event_id not in known for each in batch)
        newest = len(log.stream(f"deployment-{deployment_id}")) + ahead
        changes = {"event_id": old.event_id} if old is not None else {}
        return new_event(deployment_id, newest + 1 + self.skew, self.event, **changes)


@dataclass(frozen=True, eq=False)
class Append:
    drafts: tuple[Draft, ...]

    async def ask(self, connection: Any, run: Run) -> Any:
        return told(await event_log.append(connection, run.events(self, getattr(connection, "log", None))))


@dataclass(frozen=True)
class Claim:
    key: str
    deployment: int
    fingerprint: str

    async def ask(self, connection: Any, _run: Run) -> Any:
        return await requests.claim(connection, self.key, DEPLOYMENTS[self.deployment], self.fingerprint)


@dataclass(frozen=True)
class PutChart:
    content: bytes

    async def ask(self, connection: Any, _run: Run) -> Any:
        return await charts.put(connection, self.content)


@dataclass(frozen=True)
class GetChart:
    content: bytes

    async def ask(self, connection: Any, _run: Run) -> Any:
        try:
            return await charts.get(connection, hashlib.sha256(self.content).hexdigest())
        except NotFound as exc:
            return exc.message


@dataclass(frozen=True)
class Read:
    """What readers see, in the transaction that may have written it or after it."""

    deployment: int
    after: int
    limit: int

    async def ask(self, connection: Any, _run: Run) -> Any:
        stream = await event_log.read_stream(connection, DEPLOYMENTS[self.deployment], after=self.after)
        streams = await event_log.read_streams(connection, [*DEPLOYMENTS[self.deployment :], DEPLOYMENTS[-1]])
        return told(stream), told(streams), await waiting(connection, after=self.after, limit=self.limit)


Step = Append | Claim | PutChart | GetChart | Read
DRAFT = st.builds(
    Draft,
    stream=st.integers(0, len(DEPLOYMENTS) - 1),
    event=st.one_of(st.sampled_from(REQUESTS), st.sampled_from(MOVES), st.sampled_from(EVERY_EVENT)),
    skew=st.sampled_from([0] * 20 + [-1, 1]),
    again=st.sampled_from([None] * 12 + [0, 1, 2, 5]),
    whole=st.booleans(),
)
APPEND = st.builds(Append, st.lists(DRAFT, max_size=6).map(tuple))
STEP: st.SearchStrategy[Step] = st.one_of(
    APPEND,
    APPEND,
    st.builds(Claim, st.sampled_from("ab"), st.integers(0, 1), st.sampled_from("xy")),
    st.builds(PutChart, st.sampled_from(CHARTS)),
    st.builds(GetChart, st.sampled_from(CHARTS)),
    st.builds(Read, st.integers(0, len(DEPLOYMENTS) - 1), st.integers(0, 4), st.integers(1, 3)),
)
TRANSACTIONS = st.lists(
    st.tuples(st.lists(STEP, min_size=1, max_size=4), st.sampled_from([True, True, True, False])), max_size=8
)


SUPERSEDING = requested(supersede=True)
THREE_IN_A_ROW = Append(tuple(Draft(stream, SUPERSEDING, skew=0, again=None, whole=False) for stream in range(3)))


@example([([THREE_IN_A_ROW], True)])
@settings(trying(150), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TRANSACTIONS)
async def test_the_log_in_memory_answers_as_postgres_does(
    database: Database, transactions: list[tuple[list[Step], bool]]
) -> None:
    model, run = ModelDatabase(never), Run()
    async with a_log_to_forget(database) as real:
        for steps, commits in transactions:
            expected = await outcome(model.transaction, steps, run, commits=commits)
            event(expected[-1])
            assert await outcome(lambda: savepoint(real), steps, run, commits=commits) == expected
            assert await everything(real) == await in_memory(model)


async def outcome(transaction: Callable[[], Any], steps: Sequence[Step], run: Run, *, commits: bool) -> list[Any]:
    """What each step of a transaction was answered, up to one that was refused, and how it ended."""
    answers: list[Any] = []
    try:
        async with transaction() as connection:
            for step in steps:
                answers.append(await step.ask(connection, run))  # noqa: PERF401 - what was answered before a refusal counts
            _commit_if(commits)
    except (Conflict, ChangedItsMind) as exc:
        return [*answers, f"{type(exc).__name__} {str(exc).partition(':')[0]}"]
    return [*answers, "committed"]


def _commit_if(commits: bool) -> None:
    if not commits:
        raise ChangedItsMind


@asynccontextmanager
async def a_log_to_forget(database: Database) -> AsyncIterator[Connection]:
    """An empty log; what is appended to it is gone after the block, so the next example finds it empty."""
    async with database.connection() as connection:
        outermost = connection.transaction()
        await outermost.start()
        try:
            yield connection
        finally:
            await outermost.rollback()


@asynccontextmanager
async def savepoint(connection: Connection) -> AsyncIterator[Connection]:
    async with connection.transaction():
        yield connection


async def never(_before: str) -> str:
    return ""


async def everything(connection: Connection) -> Any:
    records = await event_log.read_log(connection, after=0, limit=1_000)
    assert_chained(records)
    head = await event_log.head(connection)
    assert (head.position, head.hash) == ((records[-1].position, records[-1].hash) if records else (0, GENESIS_HASH))
    to_watch = {each.deployment_id: each.position for each in await todo.to_watch(connection)}
    claims = await connection.fetch("SELECT key, deployment_id::text, fingerprint FROM dag.requests")
    stored = await connection.fetch("SELECT sha256, content FROM dag.charts")
    return (
        told(records),
        await waiting(connection),
        to_watch,
        {tuple(row) for row in claims},
        dict(map(tuple, stored)),
    )


async def in_memory(database: ModelDatabase) -> Any:
    log = database.log
    assert_chained(log.records)
    return (
        told(log.records),
        await waiting(ModelConnection(log)),
        log.watch_todo,
        {(key, row["deployment_id"], row["fingerprint"]) for key, row in log.requests.items()},
        log.charts,
    )


async def waiting(connection: Any, *, after: int = 0, limit: int = 1_000) -> list[Any]:
    """The lists of pushes, but for how long each has waited."""
    lists = [await todo.to_push(connection, lane, after=after, limit=limit) for lane in LANES]
    return [(each.branch, each.deployment_id, each.position, each.superseded_by) for lane in lists for each in lane]


def told(records: Sequence[Recorded]) -> list[dict[str, Any]]:
    """All of the records but when they were recorded, and the hash over that."""
    names = [name for name in Recorded.__struct_fields__ if name not in ("recorded_at", "hash")]
    return [{name: getattr(record, name) for name in names} for record in records]


def assert_chained(records: Sequence[Recorded]) -> None:
    previous = GENESIS_HASH
    for record in records:
        assert record.hash == chained_hash(previous, record)
        previous = record.hash
