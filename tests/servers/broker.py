"""A RabbitMQ: the address given, the one on this machine, a private node, or a container."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from servers.broker_container import BrokerContainer, docker_answers, run_container
from servers.broker_install import can_install, install_rabbitmq
from servers.broker_node import BrokerNode, find_server, run_node
from servers.reachable import NotHere, answers, broker_answers, local_server

LOCAL = "amqp://guest:guest@127.0.0.1:5672/"
NOWHERE = (
    "there is no RabbitMQ: install rabbitmq-server (the tests start a private node of it), or start Docker, "
    "or set DAG_TEST_AMQP_URL"
)


@asynccontextmanager
async def running_broker(directory: Path) -> AsyncIterator[str]:
    """The URL of a RabbitMQ for the block; a private one keeps its files in `directory`. Raises `NotHere`."""
    given = os.environ.get("DAG_TEST_AMQP_URL")
    if (url := given or local_server(LOCAL)) and await answers(broker_answers, url):
        yield url
        return
    if given:
        raise NotHere("no RabbitMQ answers at DAG_TEST_AMQP_URL: correct it, or unset it to get a private one")
    async with private_broker(directory) as broker:
        yield broker.url


@asynccontextmanager
async def private_broker(directory: Path) -> AsyncIterator[BrokerNode | BrokerContainer]:
    """A broker of the block's own, to stop, kill and start at will. Raises `NotHere`."""
    if find_server() is None and can_install():
        tell("installing rabbitmq-server with apt-get (once)")
        await install_rabbitmq()
    if (server := find_server()) is not None:
        tell("starting a private RabbitMQ")
        async with run_node(server, directory) as node:
            yield node
    elif shutil.which("docker") and await docker_answers():
        tell("starting RabbitMQ in a container")
        async with run_container() as container:
            yield container
    else:
        raise NotHere(NOWHERE)


def tell(what: str) -> None:
    """Say on standard error why the tests do not start at once."""
    print(f"tests: {what} ...", file=sys.stderr, flush=True)  # noqa: T201 - people wait for this
