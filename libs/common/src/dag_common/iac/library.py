"""libgit2's settings, which hold for the whole process: time-outs, trusted CAs, known SSH hosts, no user's git config.

Everything here only adds: a CA or SSH host trusted for one IaC repository is trusted for all of this process.
libgit2 has no finer way (libgit2, src/libgit2/settings.c).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ConfigLevel

from dag_common.errors import Unavailable

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 60.0

_lock = threading.Lock()
_trusted: set[str] = set()
_known_hosts: dict[str, None] = {}


@cache
def prepare() -> None:
    """Bound every wait and ignore the configuration of whoever runs the process; done once."""
    for level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL, ConfigLevel.PROGRAMDATA):
        pygit2.settings.search_path[level] = ""
    set_timeouts(connect=CONNECT_SECONDS, silence=SILENCE_SECONDS)


def set_timeouts(*, connect: float, silence: float) -> None:
    """How long to wait, in seconds, for a connection and for the next byte of a silent server."""
    pygit2.settings.server_connect_timeout = int(connect * 1000)
    pygit2.settings.server_timeout = int(silence * 1000)


def trust(ca_file: Path) -> None:
    """Trust the CA certificates of a PEM file from now on; a file whose content changed is read again.

    Raises `Unavailable` if it cannot be read.
    """
    with _lock:
        try:
            digest = hashlib.sha256(ca_file.read_bytes()).hexdigest()
            if digest not in _trusted:
                pygit2.settings.set_ssl_cert_locations(str(ca_file), None)
                _trusted.add(digest)
        except (OSError, pygit2.GitError) as exc:
            raise Unavailable(f"the CA file {ca_file} cannot be read: {exc}") from exc


def know_hosts(lines: str) -> None:
    """Accept the SSH servers of these `known_hosts` lines from now on.

    libgit2 reads only `.ssh/known_hosts` of its home directory (libgit2, src/libgit2/transports/ssh_libssh2.c), so
    the process has a home directory of its own for it. The file is replaced in one step: another thread may be
    reading it.
    """
    with _lock:
        fresh = dict.fromkeys(line for line in lines.splitlines() if line.strip())
        if fresh.keys() <= _known_hosts.keys():
            return
        _known_hosts.update(fresh)
        directory = Path(_home().name) / ".ssh"
        directory.mkdir(exist_ok=True)
        written = directory / f"known_hosts.{os.getpid()}"
        written.write_text("\n".join(_known_hosts) + "\n")
        written.replace(directory / "known_hosts")


@cache
def _home() -> tempfile.TemporaryDirectory[str]:
    home = tempfile.TemporaryDirectory(prefix="dag-git-", ignore_cleanup_errors=True)
    pygit2.settings.homedir = home.name
    return home
