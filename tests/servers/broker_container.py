"""RabbitMQ in a container, where a Docker engine answers."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servers.broker_node import closed
from servers.reachable import NotHere, broker_answers, free_ports, until_it_answers

IMAGE = "rabbitmq:4"


async def docker_answers() -> bool:
    """Whether there is an engine behind the docker command."""
    return (await _docker("info"))[0] == 0


@asynccontextmanager
async def run_container() -> AsyncIterator[BrokerContainer]:
    """A container that runs; it is gone after the block. Raises `NotHere`."""
    (port,) = free_ports(1)
    code, said = await _docker("create", "--publish", f"127.0.0.1:{port}:5672", IMAGE)
    if code:
        raise NotHere(f"Docker could not run {IMAGE}: install rabbitmq-server, or set DAG_TEST_AMQP_URL")
    container = BrokerContainer(said.strip(), port)
    try:
        await container.start()
        yield container
    finally:
        await container.close()


class BrokerContainer:
    """Stopped or killed, it can start again with its URL and its files, so what is durable survives."""

    def __init__(self, container: str, port: int) -> None:
        self.url = f"amqp://guest:guest@127.0.0.1:{port}/"
        self._container = container

    async def start(self) -> None:
        """Start it and wait until it answers. Raises `NotHere` if it does not."""
        await _docker("start", self._container)
        if not await until_it_answers(broker_answers, self.url, alive=lambda: True):
            raise NotHere(f"the container of {IMAGE} does not answer; set DAG_TEST_AMQP_URL")

    async def stop(self) -> None:
        """Stop it as an operator does and wait until it is gone."""
        await _docker("stop", self._container)

    async def kill(self) -> None:
        """End it as a power failure does and wait until it is gone."""
        await _docker("kill", self._container)
        await _docker("wait", self._container)

    async def close(self) -> None:
        """Remove it with everything in it."""
        await _docker("rm", "--force", "--volumes", self._container)

    async def close_connections(self, reason: str) -> int:
        """Have the broker itself close every client's connection; returns how many it closed."""
        code, said = await _docker("exec", self._container, "rabbitmqctl", "close_all_connections", reason)
        return closed(said, code)


async def _docker(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()
