"""Bring the servers, say where they are, and take the private ones away when whoever asked is gone.

python -m servers.keeper      prints one JSON line, {"database": url, "amqp": url} or {"error": sentence};
                              stops at the end of standard input, so no way of dying leaves servers behind
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from servers.broker import running_broker
from servers.postgres import running_postgres
from servers.reachable import NotHere

VARIABLES = {"database": "DAG_TEST_DATABASE_URL", "amqp": "DAG_TEST_AMQP_URL"}
"""Addresses to use instead of looking around; also how they travel to the test workers."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """The process that keeps the servers up; it ends them when our end of its standard input closes."""

    process: subprocess.Popen[str]

    def stop(self) -> None:
        """Stop the private servers and wait until they are gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def bring_servers() -> Keeper:
    """Have both servers up and their addresses in the environment; raises `NotHere` with what to do."""
    keeper = Keeper(
        subprocess.Popen(
            [sys.executable, "-m", "servers.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            start_new_session=True,
        )
    )
    assert keeper.process.stdout is not None
    said = json.loads(keeper.process.stdout.readline() or '{"error": "the keeper of the test servers died"}')
    if "error" in said:
        keeper.stop()
        raise NotHere(said["error"])
    os.environ.update({VARIABLES[name]: url for name, url in said.items()})
    return keeper


async def keep() -> None:
    async with AsyncExitStack() as stack:
        room = tempfile.TemporaryDirectory(prefix="dag-test-", ignore_cleanup_errors=True)
        directory = Path(stack.enter_context(room))
        try:
            said = {
                "database": await stack.enter_async_context(running_postgres(directory / "postgres")),
                "amqp": await stack.enter_async_context(running_broker(directory / "rabbitmq")),
            }
        except NotHere as exc:
            said = {"error": str(exc)}
        print(json.dumps(said), flush=True)  # noqa: T201 - the answer to who asked
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it logs every refused try while a node starts
    asyncio.run(keep())
