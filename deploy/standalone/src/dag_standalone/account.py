"""Which system account the embedded Postgres runs under: ours, or `nobody` when we are root.

Postgres refuses to run as root (PostgreSQL `src/backend/main/main.c`, `check_root`).
"""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from dag_common.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Account:
    """How to run a program and hand over files. `prefix` is the command that changes the account; empty: it is ours."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def command(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        """The command line that runs `arguments` under this account."""
        return (*self.prefix, *arguments)

    def own(self, path: Path) -> None:
        """Give the file to the account."""
        if self.prefix:
            os.chown(path, self.uid, self.gid)


def own_account(directory: Path) -> Account:
    """The account for a server whose data lies below `directory`. Raises `Unavailable` when root has no way down."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        message = (
            f"Postgres does not run as root and the command setpriv (util-linux) that would start it as nobody in "
            f"{directory} is missing; install it, or run as another user, or set DAG_DATABASE_URL"
        )
        raise Unavailable(message)
    return Account(nobody.pw_uid, nobody.pw_gid, (setpriv, *_drop(nobody)))


def _drop(account: pwd.struct_passwd) -> tuple[str, ...]:
    """Root's home is closed to others; one capability lets the server through, instead of opening the home."""
    capability = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    return ("--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups", *capability)
