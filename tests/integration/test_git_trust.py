"""Whom the mirror trusts: custom CAs over HTTPS, known hosts and keys over SSH."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from git_examples import attempt, waiting

from dag_common.errors import Unavailable
from dag_common.iac.access import Access, Password, SshKey
from dag_common.iac.mirror import Mirror
from dag_common.runtime.clock import now
from dag_pusher.domain.outcome import Pushed
from dag_pusher.git import IacBranch
from dag_sandbox.githost import GitHost
from dag_sandbox.githost_repository import HostedRepository, create

PASSWORD = "sesame-open-please"


def self_signed(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = (directory / f"{name}.pem", directory / f"{name}.key")
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


async def test_a_server_is_trusted_by_its_own_ca_only_and_two_cas_live_side_by_side(tmp_path: Path) -> None:
    for name in ("one", "two"):
        certificate, key = self_signed(tmp_path, name)
        async with GitHost(tmp_path / name, password=PASSWORD).with_tls(certificate, key) as host:
            await host.commit("iac", {"README.md": b"hello"})
            access = Access(Password("dag", PASSWORD))
            mirror = Mirror(host.url("iac"), "main", tmp_path / f"{name}-mirror", lambda: access)  # noqa: B023 - used within
            with pytest.raises(Unavailable, match="not trusted"):
                await mirror.fetch()
            access = replace(access, ca_file=certificate)
            _, outcome = await attempt(IacBranch(mirror), [waiting(1)])
            assert outcome == Pushed()
            await mirror.close()


async def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    mirror = Mirror("https://127.0.0.1:1/iac.git", "main", tmp_path / "mirrors", lambda: Access(ca_file=absent))
    with pytest.raises(Unavailable, match=r"absent\.pem"):
        await mirror.fetch()
    await mirror.close()


@dataclass(frozen=True)
class SshHost:
    """A running SSH server that lets one key in to the repositories under `root`."""

    port: int
    root: Path
    key: str
    host_key: str

    def url(self, repository: str) -> str:
        return f"ssh://git@127.0.0.1:{self.port}{self.root}/{repository}.git"

    def access(self, *, key: str = "", host_key: str | None = None) -> Access:
        known = self.host_key if host_key is None else host_key
        return Access(SshKey(key or self.key, f"[127.0.0.1]:{self.port} {known}" if known else ""))


def ssh_key() -> tuple[str, str]:
    """A private key as a secret reference hands it out, and the public key as known_hosts and authorized_keys do."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    return key.export_private_key().decode().rstrip(), " ".join(key.export_public_key().decode().split()[:2])


async def run_git(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Serve `git-upload-pack` and `git-receive-pack`, as git's own shell does."""
    program, *arguments = shlex.split(process.command or "")
    assert program in {"git-upload-pack", "git-receive-pack"}
    git = await asyncio.create_subprocess_exec(program, *arguments, stdin=-1, stdout=-1)
    assert git.stdin is not None
    assert git.stdout is not None
    feeding = asyncio.create_task(feed(process, git.stdin))
    while chunk := await git.stdout.read(1 << 16):
        process.stdout.write(chunk)
    feeding.cancel()
    process.exit(await git.wait())


async def feed(process: asyncssh.SSHServerProcess[bytes], stdin: asyncio.StreamWriter) -> None:
    while chunk := await process.stdin.read(1 << 16):
        stdin.write(chunk)
        await stdin.drain()
    stdin.close()


@pytest.fixture
async def ssh_host(tmp_path: Path) -> AsyncIterator[SshHost]:
    (host_key, host_public), (user_key, user_public) = ssh_key(), ssh_key()
    create(tmp_path / "repositories", "iac")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.import_private_key(host_key)],
        authorized_client_keys=asyncssh.import_authorized_keys(user_public),
        process_factory=run_git,
        encoding=None,
    )
    async with server:
        yield SshHost(server.get_port(), tmp_path / "repositories", user_key, host_public)


async def test_charts_are_pushed_over_ssh_with_a_key_from_memory(ssh_host: SshHost, tmp_path: Path) -> None:
    mirror = Mirror(ssh_host.url("iac"), "main", tmp_path / "mirrors", ssh_host.access)
    batch, outcome = await attempt(IacBranch(mirror), [waiting(1)])
    assert outcome == Pushed()
    assert HostedRepository(ssh_host.root / "iac.git").tip() == batch.tip
    await mirror.close()


async def test_an_ssh_server_that_is_not_known_is_refused(ssh_host: SshHost, tmp_path: Path) -> None:
    for host_key in ("", ssh_key()[1]):
        access = ssh_host.access(host_key=host_key)
        mirror = Mirror(ssh_host.url("iac"), "main", tmp_path / "mirrors", lambda: access)  # noqa: B023 - used within
        with pytest.raises(Unavailable, match="not trusted"):
            await mirror.fetch()
        await mirror.close()


async def test_an_ssh_key_that_is_not_let_in_is_refused_and_not_quoted(ssh_host: SshHost, tmp_path: Path) -> None:
    stranger, _ = ssh_key()
    mirror = Mirror(ssh_host.url("iac"), "main", tmp_path / "mirrors", lambda: ssh_host.access(key=stranger))
    with pytest.raises(Unavailable, match="credentials") as caught:
        await mirror.fetch()
    assert stranger.splitlines()[1] not in caught.value.message
    await mirror.close()
