"""RabbitMQ in a container, where a Docker engine answers."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servers.reachable import NotHere, broker_answers, until_it_answers

IMAGE = "rabbitmq:4"


async def docker_answers() -> bool:
    """Whether there is an engine behind the docker command."""
    return (await _docker("info"))[0] == 0


@asynccontextmanager
async def run_container() -> AsyncIterator[str]:
    """Run RabbitMQ on a free loopback port for the block; hands out its URL. Raises `NotHere`."""
    code, said = await _docker("run", "--detach", "--rm", "--publish", "127.0.0.1::5672", IMAGE)
    if code:
        raise NotHere(f"Docker could not run {IMAGE}: install rabbitmq-server, or set DAG_TEST_AMQP_URL")
    container = said.strip()
    try:
        _, address = await _docker("port", container, "5672/tcp")
        url = f"amqp://guest:guest@{address.split()[0]}/"
        if not await until_it_answers(broker_answers, url, alive=lambda: True):
            raise NotHere(f"the container of {IMAGE} does not answer; set DAG_TEST_AMQP_URL")
        yield url
    finally:
        await _docker("rm", "--force", container)


async def _docker(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()
