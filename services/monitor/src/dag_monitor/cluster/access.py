"""How a cluster is reached: its server, whom to trust there, and what to show at the door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dag_common.errors import Unavailable

Text = Callable[[], str]
"""A value that is read when it is used, so that its rotation needs no restart. May block; raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves who we are: a bearer token, a client certificate with its key (PEM), both, or nothing."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


class CredentialSource(Protocol):
    """Where credentials come from. Called in a thread, at least once a minute and after every 401."""

    def read(self, *, refused: bool) -> Credentials:
        """The credentials to use now; `refused` says the last ones were. Raises `Unavailable`, `Invalid`."""


@dataclass(frozen=True, slots=True)
class StoredCredentials:
    """Credentials that somebody else keeps current: literals, files, environment."""

    token: Text | None = None
    certificate: Text | None = None
    private_key: Text | None = None

    def read(self, *, refused: bool) -> Credentials:  # noqa: ARG002  stored values are read anew each time anyway
        """What is stored at this moment."""
        return Credentials(
            token=self.token().strip() if self.token else "",
            certificate=self.certificate() if self.certificate else "",
            private_key=self.private_key() if self.private_key else "",
        )


@dataclass(frozen=True, slots=True)
class Access:
    """Everything needed to open connections to one API server.

    `ca` gives PEM certificates (None: the system's). `tls_server_name` is checked instead of the URL's host.
    `strict_x509` False accepts old cluster CAs without key identifiers, which Python refuses from 3.13 on.
    `proxy` is a URL; proxies named in the environment are not used.
    """

    server: str
    credentials: CredentialSource = field(default_factory=StoredCredentials)
    ca: Text | None = None
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    strict_x509: bool = True
    proxy: str = field(default="", repr=False)


def literal(text: str) -> Text:
    """A value that never changes."""
    return lambda: text


def from_file(path: Path) -> Text:
    """The present content of a file, so that a rewritten token or CA is taken up."""

    def read() -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise Unavailable(f"cannot read {path}: {exc}") from exc

    return read
