"""No way of dying leaves a process of a test behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from conditions import until
from servers.warden import Warden

DYING_TEST = """
import os, signal, subprocess, sys
from servers.warden import Warden
with Warden() as warden:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    warden.watch(sleeper.pid)
    print(sleeper.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def alive(pid: int) -> bool:
    """Whether there is such a process that is not a mere entry waiting for its parent."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_process_does_not_outlive_a_test_that_was_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    died = subprocess.run([sys.executable, "-c", DYING_TEST], env=environment, capture_output=True, check=False)
    assert died.returncode == -9
    asyncio.run(until(lambda: not alive(int(died.stdout))))


def test_a_process_that_was_taken_off_is_left_alone() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with Warden() as warden:
            warden.watch(sleeper.pid)
            warden.forget(sleeper.pid)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
