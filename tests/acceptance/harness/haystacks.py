"""Every place where a secret could turn up after a run, as bytes to be searched."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import aio_pika
import asyncpg
import httpx
import msgspec
import pygit2
from acceptance.harness.ci import Order
from acceptance.harness.installation import Installation
from acceptance.harness.outside import Outside

from dag_common.bus.amqp_topology import Topology

Haystacks = Mapping[str, bytes]
"""By where it was found."""


class Overheard:
    """Everything that went over the exchange, headers and all."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def hear(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Keep it."""
        self.messages.append(b"\n".join((message.body, repr(message.headers).encode(), repr(message.info()).encode())))


@asynccontextmanager
async def overhearing(url: str, namespace: str) -> AsyncIterator[Overheard]:
    """Listen to the broker for the block."""
    overheard, topology = Overheard(), Topology(namespace)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await topology.declare(channel)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "#")
        await queue.consume(overheard.hear, no_ack=True)
        yield overheard


async def of_database(url: str) -> Haystacks:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'dag' ORDER BY 1")
        found = {}
        for (table,) in tables:
            rows = await connection.fetch(f"SELECT t::text FROM dag.{table} t")  # noqa: S608 - names of our own schema
            found[f"table {table}"] = "\n".join(row[0] for row in rows).encode()
        return found
    finally:
        await connection.close()


async def of_processes(dag: Installation) -> Haystacks:
    """Logs, command lines, and the pages that tell of a process."""
    found = {path.name: path.read_bytes() for path in dag.directory.glob("*.log")}
    async with httpx.AsyncClient(trust_env=False) as http:
        for service in (service for service in dag.all if service.running):
            for page in ("metrics", "readyz"):
                found[f"/{page} of {service.name}"] = (await http.get(f"{service.url}/{page}")).content
            found[f"command line of {service.name}"] = service.command_line()
    return found


def of_disk(dag: Installation) -> Haystacks:
    """What services keep: mirrors and their configuration. Git's packed objects are looked at where they come from."""
    files = (path for path in dag.directory.rglob("*") if path.is_file() and path.suffix != ".log")
    return {str(path.relative_to(dag.directory)): path.read_bytes() for path in files}


def of_git(outside: Outside) -> Haystacks:
    """Every object of every IaC repository: messages, trees, files."""
    found = {}
    for name in outside.landscape.repositories:
        repository = pygit2.Repository(str(outside.git.repository(name).directory))
        found[f"objects of {name}"] = b"\n".join(repository[one].read_raw() for one in repository)
    return found


def of_answers(orders: Iterable[Order]) -> Haystacks:
    """What CI was answered and told."""
    return {
        f"answers to job {order.job_id}": msgspec.json.encode(
            [[answer.body for answer in order.answers], [journey.story() for journey in order.journeys]]
        )
        for order in orders
    }


def spellings(secret: str, user: str = "") -> list[bytes]:
    """How a secret may be written: as it is, and as HTTP Basic credentials carry it."""
    basic = base64.b64encode(f"{user}:{secret}".encode())
    return [secret.encode(), base64.b64encode(secret.encode()).rstrip(b"="), basic.rstrip(b"=")]
