"""What DAG keeps beside the log and the IaC repositories: its other tables, and the local copies on its disks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from dag_common.store.database import Connection


@dataclass(frozen=True, slots=True)
class Claim:
    """A request key, and the deployment that holds it. A request's own key is its fingerprint."""

    key: str
    deployment_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Line:
    """A deployment as the list for people shows it, as of a version of its stream."""

    deployment_id: str
    version: int
    status: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A local copy of an IaC repository: its references, and the deployments that commits in it name."""

    references: frozenset[str]
    named: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Every table but the log and the one that remembers migrations.

    `charts`: the sha256 of what is stored, by the name it is stored under. `to_push` and `to_watch`: the positions of
    the entries, by deployment. `head`: the newest position and its hash.
    """

    names: frozenset[str] = frozenset()
    head: tuple[int, str] = (0, "")
    charts: Mapping[str, str] = field(default_factory=dict)
    claims: Sequence[Claim] = ()
    to_push: Mapping[str, int] = field(default_factory=dict)
    to_watch: Mapping[str, int] = field(default_factory=dict)
    lines: Sequence[Line] = ()
    cursors: Mapping[str, int] = field(default_factory=dict)


async def read_tables(connection: Connection) -> Tables:
    """All of them, by plain questions."""
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'dag'")
    head = await connection.fetch("SELECT position, encode(hash, 'hex') FROM dag.log_head")
    charts = await connection.fetch("SELECT sha256, content FROM dag.charts")
    claims = await connection.fetch("SELECT key, deployment_id::text, fingerprint FROM dag.requests")
    to_push = await connection.fetch("SELECT deployment_id::text, position FROM dag.push_todo")
    to_watch = await connection.fetch("SELECT deployment_id::text, position FROM dag.watch_todo")
    lines = await connection.fetch("SELECT deployment_id::text, stream_version, status FROM dag.deployments")
    cursors = await connection.fetch("SELECT name, position FROM dag.checkpoints")
    return Tables(
        names=frozenset(name for (name,) in names),
        head=tuple(head[0]),
        charts={name: hashlib.sha256(content).hexdigest() for name, content in charts},
        claims=[Claim(*row) for row in claims],
        to_push=dict(map(tuple, to_push)),
        to_watch=dict(map(tuple, to_watch)),
        lines=[Line(*row) for row in lines],
        cursors=dict(map(tuple, cursors)),
    )


def read_copies(directory: Path) -> dict[str, Copy]:
    """Every local copy below a directory, by where it lies."""
    found = (head.parent for head in directory.rglob("HEAD") if (head.parent / "objects").is_dir())
    return {str(path.relative_to(directory)): _read_copy(pygit2.Repository(str(path))) for path in found}


def _read_copy(repository: pygit2.Repository) -> Copy:
    return Copy(frozenset(repository.references), frozenset(_named(repository)))


def _named(repository: pygit2.Repository) -> Iterator[str]:
    """Also of commits that no reference leads to: what was built and never arrived."""
    for object_id in repository:
        kind, content = repository.odb.read(object_id)
        if kind == ObjectType.COMMIT:
            lines = (line.partition(b": ") for line in content.splitlines())
            yield from (value.decode() for name, _, value in lines if name == b"Deployment-Id")
