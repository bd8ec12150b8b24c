"""A RabbitMQ: the address given, the one on this machine, a private node, or a container."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from servers.broker_container import docker_answers, run_container
from servers.broker_install import can_install, install_rabbitmq
from servers.broker_node import find_server, run_node
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
    async with AsyncExitStack() as stack:
        yield await _private(stack, directory)


async def _private(stack: AsyncExitStack, directory: Path) -> str:
    if find_server() is None and can_install():
        tell("installing rabbitmq-server with apt-get (once)")
        await install_rabbitmq()
    if (server := find_server()) is not None:
        tell("starting a private RabbitMQ")
        return await stack.enter_async_context(run_node(server, directory))
    if shutil.which("docker") and await docker_answers():
        tell("starting RabbitMQ in a container")
        return await stack.enter_async_context(run_container())
    raise NotHere(NOWHERE)


def tell(what: str) -> None:
    """Say on standard error why the tests do not start at once."""
    print(f"tests: {what} ...", file=sys.stderr, flush=True)  # noqa: T201 - people wait for this
