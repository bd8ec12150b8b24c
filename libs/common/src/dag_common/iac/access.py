"""How to get into an IaC repository: values made anew for every conversation, so that rotation needs no restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Password:
    """HTTP Basic: a user name and a password or token, sent when the server asks."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token in an `Authorization: Bearer` header, sent at once: some hosts never ask."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A private key (its text) and the server's keys as `known_hosts` lines; an unknown server is refused."""

    private_key: str = field(repr=False)
    known_hosts: str
    username: str = "git"
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials (none: everybody may in) and a file of CA certificates (PEM) to trust besides the system's."""

    credentials: Password | Bearer | SshKey | None = None
    ca_file: Path | None = None


AccessSource = Callable[[], Access]
"""Reads the access as it is now; raises `Unavailable` if a secret cannot be read."""


def public_url(url: str) -> str:
    """The URL without what may be secret: userinfo over HTTP, the password over SSH.

    An SSH user name stays, it says who logs in. `git@host:path` holds no secret and stays as it is.
    """
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    userinfo, _, host = parts.netloc.rpartition("@")
    user = userinfo.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if parts.scheme.endswith("ssh") else host))


def commit_url(url: str, commit: str) -> str:
    """The page where people see a commit; empty if the repository's URL has no pages (SSH, files).

    GitLab shows commits under `/-/commit/` (https://docs.gitlab.com/user/project/repository/), GitHub, Gitea and
    Forgejo under `/commit/`. A host that is not github.com by name counts as GitLab only if its name says so.
    """
    parts = urlsplit(public_url(url))
    if parts.scheme not in {"http", "https"}:
        return ""
    page = urlunsplit(parts).rstrip("/").removesuffix(".git")
    return f"{page}/-/commit/{commit}" if "gitlab" in (parts.hostname or "") else f"{page}/commit/{commit}"
