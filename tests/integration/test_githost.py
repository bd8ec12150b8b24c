"""The sandbox's git host, as the real git client and an operator's curl see it."""

from __future__ import annotations

import asyncio
import os
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from git_examples import until

from dag_sandbox.githost import GitHost

PASSWORD = "sesame-open-please"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[GitHost]:
    async with GitHost(tmp_path / "host", password=PASSWORD) as host:
        yield host


async def git(directory: Path, *arguments: str) -> tuple[int, str]:
    """Run the git client as a stranger to this machine's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
    }
    process = await asyncio.create_subprocess_exec(
        "git", "-C", str(directory), *arguments, env=environment, stdout=-1, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def with_password(url: str) -> str:
    return url.replace("http://", f"http://dag:{PASSWORD}@")


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "git" in name_of(child)]


def name_of(process: psutil.Process) -> str:
    """Empty for one that ended between being listed and being asked."""
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


async def test_the_git_client_clones_and_pushes_large_and_compressed_bodies(host: GitHost, tmp_path: Path) -> None:
    await host.commit("group/iac", {f"file{number}": b"text" for number in range(300)})
    assert await git(tmp_path, "clone", "-q", with_password(host.url("group/iac")), "work") == (0, "")
    (tmp_path / "work" / "large.bin").write_bytes(os.urandom(3_000_000))
    await git(tmp_path / "work", "add", ".")
    await git(tmp_path / "work", "commit", "-q", "-m", "Large")
    status, output = await git(tmp_path / "work", "push", "-q", "origin", "main")
    assert (status, output) == (0, "")
    assert len(host.repository("group/iac").files()["large.bin"]) == 3_000_000
    for number in range(40):
        await host.commit("group/iac", {f"more{number}": b"text"})
    assert (await git(tmp_path / "work", "pull", "-q"))[0] == 0
    assert (tmp_path / "work" / "more39").exists()


async def test_strangers_and_unknown_repositories_are_turned_away(host: GitHost, tmp_path: Path) -> None:
    await host.create("iac")
    status, output = await git(tmp_path, "clone", host.url("iac"), "work")
    assert status != 0
    assert "could not read Username" in output
    status, output = await git(tmp_path, "clone", with_password(host.url("other")), "work")
    assert status != 0
    assert "not found" in output
    async with httpx.AsyncClient(auth=("dag", PASSWORD)) as client:
        for path in ("/", "/iac.git/../../etc/passwd", "/%2e%2e/x.git/HEAD", "/iac.git"):
            assert (await client.get(host.base_url + path)).status_code == 404


async def test_faults_are_switched_over_http_and_mistakes_are_told(host: GitHost) -> None:
    async with httpx.AsyncClient(base_url=host.base_url) as client:
        shown = await client.patch("/_faults", json={"failures": 2, "reject": "no"})
        assert (shown.json()["failures"], shown.json()["reject"]) == (2, "no")
        assert host.faults.failures == 2
        assert (await client.get("/iac.git/info/refs")).status_code == 503
        assert (await client.get("/_faults")).json()["failures"] == 1
        for wrong in (b'{"failure": 2}', b'{"failures": "two"}', b"[", b"[1]"):
            assert (await client.patch("/_faults", content=wrong)).status_code == 400
        assert host.faults.failures == 1


async def test_repositories_are_made_over_http(host: GitHost) -> None:
    async with httpx.AsyncClient(base_url=host.base_url, auth=("dag", PASSWORD)) as client:
        assert (await client.put("/_repositories/group/new")).status_code == 204
        assert (await client.put("/_repositories/group/new")).status_code == 204
        assert (await client.put("/_repositories/-rf")).status_code == 400
        answer = await client.get("/group/new.git/info/refs", params={"service": "git-upload-pack"})
        assert answer.status_code == 200


def begin(host: GitHost, service: str) -> socket.socket:
    """Start a request to a git service that never ends by itself."""
    address = httpx.URL(host.base_url)
    client = socket.create_connection((address.host, address.port or 80))
    client.sendall(
        f"POST /iac.git/{service} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        f"Authorization: Basic {b64encode(f'dag:{PASSWORD}'.encode()).decode()}\r\n"
        f"Content-Type: application/x-{service}-request\r\n\r\n0032".encode()
    )
    return client


async def test_clients_who_hang_up_leave_no_process_behind(host: GitHost) -> None:
    await host.create("iac")
    for _ in range(12):
        with begin(host, "git-upload-pack"):
            await until(lambda: bool(children()))
    await until(lambda: not children())


async def test_a_host_that_ends_takes_its_processes_along(tmp_path: Path) -> None:
    async with GitHost(tmp_path / "host", password=PASSWORD) as host:
        await host.create("iac")
        client = begin(host, "git-receive-pack")
        await until(lambda: bool(children()))
    assert not children()
    client.close()


async def test_more_clients_than_slots_are_all_served(host: GitHost) -> None:
    await host.commit("iac", {"a": b"1"})
    async with httpx.AsyncClient(base_url=host.base_url, auth=("dag", PASSWORD), timeout=30) as client:
        params = {"service": "git-upload-pack"}
        answers = await asyncio.gather(*(client.get("/iac.git/info/refs", params=params) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
