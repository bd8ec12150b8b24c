"""One service process: started, waited for, killed, terminated, started again under the same address and data."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx
from acceptance.harness import skewed
from acceptance.harness.ports import free_port
from servers.warden import Warden

STEPPABLE_CLOCK = "ACCEPTANCE_STEPPABLE_CLOCK"
"""A service whose environment has this variable can be told another time: see `Service.step_clock`."""

READY_SECONDS = 40.0
LAST_WORDS = 12_000
"""Characters of a process's log that are shown when it fails a test."""


class Service:
    """`python -m <module>` of the running interpreter. It keeps port, data directory and log over restarts."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], directory: Path, warden: Warden) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        """Its API, if it has one, and its health pages."""
        own = {"DAG_DATA_DIR": str(directory / name), "DAG_HTTP_PORT": str(port), "DAG_HEALTH_PORT": str(port)}
        self._environment = {**_inherited(), **environment, **own}
        self._clock = directory / f"{name}.clock"
        self._command = ["-m", module]
        if STEPPABLE_CLOCK in environment:
            self.step_clock(0)
            self._command = ["-P", skewed.__file__, str(self._clock), module]
        self._warden = warden
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process it runs as, or ran as last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    async def start(self) -> Self:
        """Start the process; `ready` waits until it works."""
        assert not self.running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            log.write(f"--- {self.name} is started\n".encode())
            log.flush()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self._warden.watch(self._process.pid)
        return self

    async def ready(self, *, within: float = READY_SECONDS) -> Self:
        """Wait until /readyz says so; fails with the log's end if the process dies or does not come up."""
        report = "no answer"
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            try:
                async with asyncio.timeout(within):
                    while self.running:
                        report = await _readiness(http, self.url)
                        if not report:
                            return self
                        await asyncio.sleep(0.05)
            except TimeoutError:
                raise AssertionError(f"{self.name} is not ready: {report}\n{self.last_words()}") from None
        raise AssertionError(f"{self.name} ended instead of getting ready:\n{self.last_words()}")

    async def back(self, *, within: float = READY_SECONDS) -> Self:
        """Wait until it is ready, however often somebody has to start it until then."""
        report = "no answer"
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            try:
                async with asyncio.timeout(within):
                    while report := await _readiness(http, self.url):  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise AssertionError(f"{self.name} has not come back: {report}\n{self.last_words()}") from None
        return self

    async def leaves_waiting(self, *, seconds: float) -> bool:
        """Whether whoever asks for its pages has no answer after so many seconds."""
        async with httpx.AsyncClient(trust_env=False, timeout=seconds) as http:
            return await _readiness(http, self.url) == httpx.ReadTimeout.__name__

    async def silent(self, *, within: float = 10) -> None:
        """Wait until its pages are not served any more: it has ended, or is about to."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http, asyncio.timeout(within):
            while await _readiness(http, self.url) != httpx.ConnectError.__name__:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

    def step_clock(self, seconds: int) -> None:
        """Its wall clock shows so much more (or less) than the right time from now on."""
        written = self._clock.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self._clock)

    def freeze(self) -> None:
        """SIGSTOP: it stands still, as in a long pause of its machine, and keeps its connections."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        self._signal(signal.SIGCONT)

    async def kill(self) -> int:
        """SIGKILL, and wait until it is gone; returns the exit code, another one if it had ended before."""
        return await self._end(signal.SIGKILL)

    async def terminate(self, *, within: float = 30) -> int:
        """SIGTERM; returns the exit code. Fails if it has not ended in time."""
        try:
            async with asyncio.timeout(within):
                return await self._end(signal.SIGTERM)
        except TimeoutError:
            if len(self._command) > len(("-m", "module")):
                self._signal(signal.SIGUSR1)
                await asyncio.sleep(1)
            raise AssertionError(f"{self.name} did not end on SIGTERM:\n{self.last_words()}") from None

    async def restart(self) -> Self:
        """Start it again after its end, and wait until it is ready."""
        return await (await self.start()).ready()

    def command_line(self) -> bytes:
        """What anybody on the machine can see of it, where the system shows it as a file (Linux)."""
        assert self._process is not None
        shown = Path(f"/proc/{self._process.pid}/cmdline")
        return shown.read_bytes() if shown.exists() else b""

    async def said(self, words: str, *, within: float = 20) -> None:
        """Wait until these words stand in its log."""
        async with asyncio.timeout(within):
            while words not in self.log.read_text(errors="replace"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-LAST_WORDS:] if self.log.exists() else ""

    def _signal(self, number: signal.Signals) -> Process:
        process = self._process
        assert process is not None, f"{self.name} was never started"
        if process.returncode is None:
            process.send_signal(number)
        return process

    async def _end(self, number: signal.Signals) -> int:
        process = self._signal(number)
        code = await process.wait()
        self._warden.forget(process.pid)
        return code


def _inherited() -> dict[str, str]:
    """What a process needs of ours; nothing that configures DAG."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DAG_")}


async def _readiness(http: httpx.AsyncClient, url: str) -> str:
    """What is missing; empty when it is ready."""
    try:
        answer = await http.get(f"{url}/readyz")
    except httpx.TransportError as exc:
        return type(exc).__name__
    return "" if answer.status_code == 200 else answer.text
