"""What an auditor looks at: all that is stored, the history of the IaC repositories, what CI sent and was told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pygit2
from acceptance.harness.ci import Order
from acceptance.harness.kept import Copy, Tables, read_copies, read_tables
from acceptance.harness.landscape import Landscape
from pygit2.enums import SortMode

from dag_common.contracts.envelope import Recorded
from dag_common.store import event_log
from dag_common.store.database import Connection, Database
from dag_sandbox.githost import GitHost

PAGE = 1_000
TERMINAL = ("deployment.succeeded", "deployment.failed")


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit of an IaC branch that names a deployment, with the files of the directory it is about."""

    id: str
    repository: str
    place: int
    trailers: Mapping[str, str]
    files: Mapping[str, bytes]

    @property
    def deployment_id(self) -> str:
        """Whose commit it is."""
        return self.trailers["Deployment-Id"]


@dataclass(frozen=True)
class Evidence:
    """Everything, collected from the outside. `commits` are the oldest first, by repository."""

    landscape: Landscape
    orders: Sequence[Order] = ()
    log: Sequence[Recorded] = ()
    commits: Sequence[Committed] = ()
    foreign: frozenset[str] = field(default_factory=frozenset)
    """Commits of others, among them the ones the branches began with."""

    tables: Tables = field(default_factory=Tables)
    copies: Mapping[str, Copy] = field(default_factory=dict)

    @cached_property
    def streams(self) -> dict[str, list[Recorded]]:
        """The records of each deployment, in order of versions."""
        records = sorted(self.log, key=lambda record: (record.deployment_id, record.version))
        return {key: list(group) for key, group in groupby(records, key=lambda record: record.deployment_id)}

    @cached_property
    def order_of(self) -> dict[str, Order]:
        """The order behind each accepted deployment."""
        return {order.deployment_id: order for order in self.orders if order.deployment_id}

    @cached_property
    def commits_of(self) -> dict[str, list[Committed]]:
        """The commits of each deployment."""
        found: dict[str, list[Committed]] = {}
        for commit in self.commits:
            found.setdefault(commit.deployment_id, []).append(commit)
        return found

    @cached_property
    def requests(self) -> dict[str, dict[str, Any]]:
        """What each deployment of the log was asked for."""
        found = {one: self.fact(one, "deployment.requested") for one in self.streams}
        return {one: request for one, request in found.items() if request is not None}

    def fact(self, deployment_id: str, type_name: str) -> dict[str, Any] | None:
        """The payload of a deployment's first event of a type."""
        found = (record for record in self.streams.get(deployment_id, []) if record.type == type_name)
        record = next(found, None)
        return None if record is None else payload(record)


def payload(record: Recorded) -> dict[str, Any]:
    """A record's content, as it is stored."""
    content: dict[str, Any] = msgspec.json.decode(record.payload)
    return content


async def collect(
    landscape: Landscape, orders: Sequence[Order], database: Database, git: GitHost, copies: Path
) -> Evidence:
    """Look everywhere, once; at the tables as of one moment."""
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read"):
        log, tables = await _log(connection), await read_tables(connection)
    commits, foreign = await asyncio.to_thread(_histories, landscape, git)
    found = await asyncio.to_thread(read_copies, copies)
    return Evidence(landscape, tuple(orders), log, commits, foreign, tables, found)


async def _log(connection: Connection) -> list[Recorded]:
    log: list[Recorded] = []
    while page := await event_log.read_log(connection, after=log[-1].position if log else 0, limit=PAGE):
        log += page
    return log


def _histories(landscape: Landscape, git: GitHost) -> tuple[list[Committed], frozenset[str]]:
    commits: list[Committed] = []
    foreign: set[str] = set()
    for name in landscape.repositories:
        repository = pygit2.Repository(str(git.repository(name).directory))
        tip = repository.references["refs/heads/main"].target
        for number, commit in enumerate(repository.walk(tip, SortMode.TOPOLOGICAL | SortMode.REVERSE)):
            trailers = read_trailers(commit.message)
            if "Deployment-Id" in trailers:
                files = _files(repository, commit, trailers.get("IaC Target", ""))
                commits.append(Committed(str(commit.id), name, number, trailers, files))
            else:
                foreign.add(str(commit.id))
    return commits, frozenset(foreign)


def read_trailers(message: str) -> dict[str, str]:
    """The `Name: value` lines of a commit message, those of its description included."""
    lines = (line.partition(": ") for line in message.splitlines()[1:])
    return {name: value for name, colon, value in lines if colon}


def _files(repository: pygit2.Repository, commit: pygit2.Commit, path: str) -> dict[str, bytes]:
    """The files below a path as of a commit."""
    try:
        directory = commit.tree[path]
    except (KeyError, ValueError):
        return {}
    index = pygit2.Index()
    index.read_tree(directory.peel(pygit2.Tree))
    return {entry.path: repository[entry.id].read_raw() for entry in index}
