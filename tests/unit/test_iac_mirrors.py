"""From the registry's words to a way in."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dag_common.errors import Unavailable
from dag_common.iac.access import Access, Password, SshKey
from dag_common.iac.mirrors import access_to
from dag_common.registry.references import File, FilePath, Secret
from dag_common.registry.repositories import Credentials, HttpsCredentials, IacRepository, SshCredentials

URL = "https://git.example.com/iac.git"


def over_ssh(tmp_path: Path) -> IacRepository:
    (tmp_path / "key").write_text("the key\n")
    ssh = SshCredentials(
        private_key=Secret(file=FilePath("key", tmp_path)), known_hosts=File(FilePath("known_hosts", tmp_path))
    )
    return IacRepository(url="ssh://git@git.example.com/iac.git", credentials=Credentials(ssh=ssh))


def test_a_password_is_read_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    https = HttpsCredentials(username="dag", password=Secret(env="IAC_TOKEN"))
    repository = IacRepository(url=URL, credentials=Credentials(https=https), ca=File(FilePath("ca.pem", tmp_path)))
    for token in ("first", "second"):
        monkeypatch.setenv("IAC_TOKEN", token)
        assert access_to(repository) == Access(Password("dag", token), tmp_path / "ca.pem")
    monkeypatch.delenv("IAC_TOKEN")
    with pytest.raises(Unavailable, match="IAC_TOKEN"):
        access_to(repository)


def test_an_ssh_key_comes_with_the_servers_it_may_meet(tmp_path: Path) -> None:
    repository = over_ssh(tmp_path)
    with pytest.raises(Unavailable, match="known_hosts"):
        access_to(repository)
    (tmp_path / "known_hosts").write_bytes(b"\xff")
    with pytest.raises(Unavailable, match="known_hosts"):
        access_to(repository)
    (tmp_path / "known_hosts").write_text("git.example.com ssh-ed25519 AAAA\n")
    assert access_to(repository) == Access(SshKey("the key", "git.example.com ssh-ed25519 AAAA\n"))


def test_a_repository_open_to_everybody_needs_nothing() -> None:
    assert access_to(msgspec.structs.replace(IacRepository(url=URL), branch="live")) == Access()
