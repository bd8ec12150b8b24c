"""One Postgres server of the embedded wheel on a loopback port, as a process whose end is in our hands."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

import asyncpg

from dag_standalone.account import own_account
from dag_standalone.programs import Programs, environment
from servers.reachable import NotHere, free_ports, postgres_answers, until_it_answers
from servers.warden import Warden

STANDBY = "dag_standby"
"""What a server calls itself when it follows another (its cluster_name; PostgreSQL "synchronous_standby_names")."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "cluster_name": STANDBY,
    "synchronous_standby_names": STANDBY,
    "wal_retrieve_retry_interval": "100ms",  # a standby looks for its restarted primary at once, not after 5 s
    "wal_receiver_status_interval": "1s",  # a commit whose receipt was told before the standby counted waits this long
    "wal_keep_size": "256MB",
    "dynamic_shared_memory_type": "mmap",  # in the data directory: a killed server leaves nothing in /dev/shm
    "fsync": "off",  # we end processes, never the kernel, and the kernel still holds what they wrote
    "shared_buffers": "32MB",
}

STOPS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""PostgreSQL "Shutting Down the Server"."""


class PostgresServer:
    """One data directory and the server on it, which can be stopped and started again at the same URL."""

    def __init__(self, data: Path, warden: Warden) -> None:
        (port,) = free_ports(1)
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self.data = data.absolute()
        self._warden = warden
        self._programs = Programs(own_account(data))
        self._port = port
        self._process: Process | None = None

    async def initialise(self) -> None:
        """Make an empty data directory."""
        self._make_directory()
        await self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")

    async def copy(self, primary: PostgresServer) -> None:
        """Take the primary's data, to follow it from there."""
        self._make_directory()
        await self._run("pg_basebackup", "-d", primary.url, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises `NotHere` with the log's end if it does not."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = self._programs.command("postgres", "-D", str(self.data), "-p", str(self._port), *settings)
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, env=environment()
            )
        self._process = process
        self._warden.watch(process.pid)
        if not await until_it_answers(postgres_answers, self.url, alive=lambda: process.returncode is None):
            last = self._log.read_text(errors="replace").splitlines()[-5:]
            raise NotHere(f"the private Postgres did not start; it said: {' / '.join(last)}")

    async def stop(self, mode: str) -> None:
        """Roll open transactions back (`fast`) or crash (`immediate`), and wait until every process is gone."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(STOPS[mode])
        await self._process.wait()
        self._warden.forget(self._process.pid)
        self._process = None

    async def promote(self) -> None:
        """Make a standby take writes."""
        assert await self._ask("SELECT pg_promote()"), "the standby was not promoted"

    async def until_it_has_a_standby(self) -> None:
        """Wait until a standby follows and a commit was acknowledged for it."""
        async with asyncio.timeout(60):
            while not await self._ask("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await self._ask("SELECT pg_logical_emit_message(true, 'standby', 'is there')")

    async def _ask(self, question: str) -> object:
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    async def _run(self, program: str, *arguments: str) -> None:
        code, said = await self._programs.run(program, "-D", str(self.data), *arguments)
        if code:
            raise NotHere(f"{program} failed: {said.strip()}")

    def _make_directory(self) -> None:
        self.data.mkdir(mode=0o700, parents=True)
        self._programs.account.own(self.data)

    @property
    def _log(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")
