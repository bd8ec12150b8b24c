"""A RabbitMQ node of one's own from an installed rabbitmq-server: own ports, files, cookie, name and epmd."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from servers.reachable import NotHere, broker_answers, free_ports, until_it_answers
from servers.warden import Warden

PLACES = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin")
"""Where the script itself lies. Debian's /usr/sbin/rabbitmq-server changes the user and its files; it is not used."""

NEEDED_PLUGINS = ("rabbit", "rabbit_common")
"""A node puts each plugin it finds in front of Erlang's code path and then looks for every module of Erlang in each of
them: shown these two instead of all 70, it starts in half the time (Debian's 3.10: 2.9 s instead of 6.4 s)."""

CONFIG = """\
listeners.tcp.default = 127.0.0.1:{port}
disk_free_limit.absolute = 50MB
log.file.level = warning
"""


def find_server() -> Path | None:
    """The installed server script, if there is one."""
    path = os.pathsep.join((*PLACES, os.environ.get("PATH", "")))
    found = shutil.which("rabbitmq-server", path=path)
    return Path(found) if found else None


@asynccontextmanager
async def run_node(server: Path, directory: Path) -> AsyncIterator[BrokerNode]:
    """A node that runs; none of its processes outlives the block, nor whoever is killed within it. Raises `NotHere`."""
    with Warden() as warden:
        node = BrokerNode(server, directory, warden)
        try:
            await node.start()
            yield node
        finally:
            await node.close()


class BrokerNode:
    """Stopped or killed, it can start again with its URL and its files, so what is durable survives."""

    def __init__(self, server: Path, directory: Path, warden: Warden) -> None:
        self._server = server
        self._directory = directory
        self._warden = warden
        port, distribution, self._epmd_port = free_ports(3)
        self.url = f"amqp://guest:guest@127.0.0.1:{port}/"
        self._environment = _environment(directory, port, distribution, self._epmd_port)
        self._epmd: Process | None = None
        self._node: Process | None = None
        _lay_out(directory, server, port)

    async def start(self) -> None:
        """Start the node and wait until it answers. Raises `NotHere` with the log's end if it does not."""
        self._epmd = self._epmd or await self._run(_epmd(), "-port", str(self._epmd_port))
        node = self._node = await self._run(str(self._server))
        if not await until_it_answers(broker_answers, self.url, alive=lambda: node.returncode is None):
            raise NotHere(f"the private RabbitMQ did not start; it said: {self._last_words()}")

    async def stop(self) -> None:
        """Stop it as an operator does and wait until it is gone."""
        await self._end(self._node, signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power failure does and wait until it is gone."""
        await self._end(self._node, signal.SIGKILL)

    async def close(self) -> None:
        """End the node and its port mapper."""
        await self.stop()
        await self._end(self._epmd, signal.SIGKILL)

    async def close_connections(self, reason: str) -> int:
        """Have the broker itself close every client's connection; returns how many it closed."""
        control = str(self._server.with_name("rabbitmqctl"))
        asked = await asyncio.create_subprocess_exec(
            control, "close_all_connections", reason, env=self._environment, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
        )
        said, _ = await asked.communicate()
        return closed(said.decode(), asked.returncode or 0)

    async def _run(self, *command: str) -> Process:
        with (self._directory / "said.log").open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=self._environment,
                cwd=self._directory,
                stdin=DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self._warden.watch(process.pid)
        return process

    async def _end(self, process: Process | None, how: signal.Signals) -> None:
        """End the process and everything it started: its whole session is ours."""
        if process is None or process.returncode is not None:
            return
        for number in (how, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 15)
                break
        self._warden.forget(process.pid)

    def _last_words(self) -> str:
        said = (self._directory / "said.log").read_text(errors="replace").split("\n")
        return " / ".join([line.strip() for line in said if line.strip()][-6:]) or "nothing"


def closed(said: str, code: int) -> int:
    """How many connections `rabbitmqctl close_all_connections` says it closed."""
    found = re.search(r"Closed (\d+) connections", said)
    assert code == 0, f"rabbitmqctl failed: {said!r}"
    assert found is not None, f"rabbitmqctl said: {said!r}"
    return int(found[1])


def _lay_out(directory: Path, server: Path, port: int) -> None:
    for name in ("home", "data", "log", "generated", "conf.d", "schema", "plugins"):
        (directory / name).mkdir(parents=True)
    (directory / "rabbitmq.conf").write_text(CONFIG.format(port=port))
    (directory / "enabled_plugins").write_text("[].\n")
    (directory / "env.conf").write_text("")
    for plugin in NEEDED_PLUGINS:
        for found in server.resolve().parents[1].glob(f"plugins/{plugin}-[0-9]*"):
            (directory / "plugins" / found.name).symlink_to(found)


def _environment(directory: Path, port: int, distribution: int, epmd_port: int) -> dict[str, str]:
    """An environment in which nothing of a system-wide node is seen or touched."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ", "ERL"))}
    return own | {
        "HOME": str(directory / "home"),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node instead of standing between us and it
        "RABBITMQ_NODENAME": f"dagtest{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CTL_ERL_ARGS": "",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 1",
        "RABBITMQ_CONF_ENV_FILE": str(directory / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(directory / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_PLUGINS_DIR": str(directory / "plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "generated"),
        "RABBITMQ_SCHEMA_DIR": str(directory / "schema"),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
    }


def _epmd() -> str:
    """Erlang's port mapper: started by us so that we can end it; the one a node starts would outlive it."""
    found = shutil.which("epmd") or next((str(p) for p in Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    if found is None:
        raise NotHere("Erlang's epmd is missing beside rabbitmq-server: reinstall it, or set DAG_TEST_AMQP_URL")
    return found
