"""The sandbox that runs on a data directory, as another shell finds it: `sandbox.json` while it runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dag_common.errors import Unavailable
from dag_sandbox.addresses import Addresses, JobTicket

FILE = "sandbox.json"


class Running(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where DAG and the outside world answer."""

    server: str
    addresses: Addresses


@contextmanager
def announced(directory: Path, running: Running) -> Iterator[None]:
    """Let other shells find it for as long as the context lasts."""
    path = directory / FILE
    path.write_bytes(msgspec.json.encode(running))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(directory: Path) -> Running:
    """The one that runs on this directory. Raises `Unavailable`."""
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError) as exc:
        message = f"No sandbox runs on {directory}: start one with dag sandbox, and call this from where you started it"
        raise Unavailable(message) from exc


def exports(running: Running, job: JobTicket) -> str:
    """What makes a shell that job, for `eval`: the variables that `dag` reads, and the command itself on the PATH."""
    variables = {
        "DAG_SERVER_URL": running.server,
        "DAG_REPO_URL": running.addresses.repo_url,
        "DAG_JOB_ID": job.job_id,
        "DAG_JOB_TOKEN": job.token,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"'])
