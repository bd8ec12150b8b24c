"""This process's own copies of the registry's IaC repositories, opened when first asked for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from dag_common.errors import Unavailable
from dag_common.iac.access import Access, Password, SshKey
from dag_common.iac.mirror import Mirror
from dag_common.registry.references import File
from dag_common.registry.registry import Registry
from dag_common.registry.repositories import Credentials, HttpsCredentials, IacRepository, SshCredentials


class Mirrors:
    """One mirror per URL and branch. Credentials are read from the registry as it is at each conversation."""

    def __init__(self, registry: Callable[[], Registry], directory: Path) -> None:
        self._registry = registry
        self._directory = directory
        self._open: dict[tuple[str, str, str], Mirror] = {}

    def of(self, repository: str, branch: str) -> Mirror:
        """The mirror of a branch of a repository, by its registry name; raises `NotFound` if the registry lost it."""
        url = self._registry().iac(repository).url
        key = (repository, url, branch)
        if key not in self._open:
            name = hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
            self._open[key] = Mirror(url, branch, self._directory / name, lambda: self._access(repository))
        return self._open[key]

    async def close(self) -> None:
        """Let go of every copy; they stay on disk and are used again."""
        await asyncio.gather(*(mirror.close() for mirror in self._open.values()))
        self._open.clear()

    def _access(self, repository: str) -> Access:
        return access_to(self._registry().iac(repository))


def access_to(repository: IacRepository) -> Access:
    """How to get into a repository, its secrets read now; raises `Unavailable` if one cannot be."""
    return Access(
        credentials=None if repository.credentials is None else _credentials(repository.credentials),
        ca_file=None if repository.ca is None else repository.ca.path,
    )


def _credentials(credentials: Credentials) -> Password | SshKey | None:
    if credentials.https is not None:
        return _password(credentials.https)
    return None if credentials.ssh is None else _ssh_key(credentials.ssh)


def _password(https: HttpsCredentials) -> Password:
    return Password(https.username, https.password.read())


def _ssh_key(ssh: SshCredentials) -> SshKey:
    return SshKey(
        private_key=ssh.private_key.read(),
        known_hosts=_read(ssh.known_hosts),
        username=ssh.username,
        passphrase="" if ssh.passphrase is None else ssh.passphrase.read(),
    )


def _read(file: File) -> str:
    """A known_hosts file, as it is now."""
    try:
        return file.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise Unavailable(f"the known_hosts file {file.path} cannot be read: {exc}") from exc
