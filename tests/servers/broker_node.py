"""A RabbitMQ node of one's own from an installed rabbitmq-server: own ports, files, cookie, name and epmd."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from servers.reachable import NotHere, broker_answers, free_ports, until_it_answers

PLACES = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin")
"""Where the script itself lies. Debian's /usr/sbin/rabbitmq-server changes the user and its files; it is not used."""

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
async def run_node(server: Path, directory: Path) -> AsyncIterator[str]:
    """Run a node for the block; hands out its URL. Raises `NotHere` with the log's end if it does not start."""
    port, distribution, epmd_port = free_ports(3)
    environment = _lay_out(directory, port, distribution, epmd_port)
    epmd = await _start([_epmd(), "-port", str(epmd_port)], environment, directory)
    node = await _start([str(server)], environment, directory)
    url = f"amqp://guest:guest@127.0.0.1:{port}/"
    try:
        if not await until_it_answers(broker_answers, url, alive=lambda: node.returncode is None):
            raise NotHere(f"the private RabbitMQ did not start; it said: {_last_words(directory)}")
        yield url
    finally:
        await _stop(node)
        await _stop(epmd)


def _lay_out(directory: Path, port: int, distribution: int, epmd_port: int) -> dict[str, str]:
    """Write the configuration; returns an environment in which nothing of a system-wide node is seen or touched."""
    for name in ("home", "data", "log", "generated", "conf.d", "schema"):
        (directory / name).mkdir(parents=True)
    (directory / "rabbitmq.conf").write_text(CONFIG.format(port=port))
    (directory / "enabled_plugins").write_text("[].\n")
    (directory / "env.conf").write_text("")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ", "ERL"))}
    return own | {
        "HOME": str(directory / "home"),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"dagtest{port}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CTL_ERL_ARGS": "",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
        "RABBITMQ_CONF_ENV_FILE": str(directory / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(directory / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
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


async def _start(command: list[str], environment: dict[str, str], directory: Path) -> Process:
    with (directory / "said.log").open("ab") as said:
        return await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=directory, stdin=-3, stdout=said, stderr=said, start_new_session=True
        )


async def _stop(process: Process) -> None:
    """End the process and everything it started: its whole session is ours."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 15)
            return


def _last_words(directory: Path) -> str:
    said = (directory / "said.log").read_text(errors="replace").split("\n")
    return " / ".join([line.strip() for line in said if line.strip()][-6:]) or "nothing"
