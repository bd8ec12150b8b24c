"""Every way into a cluster, used: certificates and tokens go over real TLS to a server that asks for them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from certificates import Certificates, make_certificates

from dag_common.errors import Unavailable
from dag_monitor.cluster import in_cluster, kubeconfig
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.resources import HELM_RELEASES, Query

RELEASES = Query(HELM_RELEASES, "default")
V1 = "client.authentication.k8s.io/v1"


class Door:
    """An API server with nothing behind it. It keeps what each request showed: certificate number and token."""

    def __init__(self, port: int, tokens: set[str]) -> None:
        self.port, self.tokens = port, tokens
        self.shown: list[tuple[int, str]] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while request := (await reader.readuntil(b"\r\n\r\n")).decode():
                token = request.partition("Authorization: Bearer ")[2].partition("\r\n")[0]
                peer = writer.get_extra_info("ssl_object").getpeercert() or {}
                self.shown.append((int(peer.get("serialNumber", "0"), 16), token))
                taken = not self.tokens or token in self.tokens
                body = json.dumps({"metadata": {"resourceVersion": "1"}, "items": []})
                status = "200 OK" if taken else "401 Unauthorized"
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()


@contextlib.asynccontextmanager
async def door(server: Certificates, *clients: Certificates, tokens: tuple[str, ...] = ()) -> AsyncIterator[Door]:
    """A server with this certificate that lets in clients of these authorities only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    for client in clients:
        context.load_verify_locations(client.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    opened = Door(0, set(tokens))
    listening = await asyncio.start_server(opened.answer, "127.0.0.1", 0, ssl=context)
    async with listening:
        opened.port = listening.sockets[0].getsockname()[1]
        yield opened


@contextlib.asynccontextmanager
async def inside(access: Any) -> AsyncIterator[ClusterClient]:
    client = ClusterClient("prod", access)
    yield client
    await client.aclose()


def made(directory: Path, name: str) -> Certificates:
    (directory / name).mkdir()
    return make_certificates(directory / name)


def written(directory: Path, url: str, authority: Path, user: dict[str, Any]) -> Path:
    other = {"name": "other", "cluster": {"server": "https://127.0.0.1:1"}}
    document = {
        "current-context": "elsewhere",
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "other"}},
            {"name": "prod", "context": {"cluster": "prod", "user": "dag"}},
        ],
        "clusters": [other, {"name": "prod", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "dag", "user": user}],
    }
    path = directory / "config"
    path.write_text(yaml.safe_dump(document))
    return path


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def plugin(directory: Path, *credentials: dict[str, Any]) -> dict[str, Any]:
    """A user whose plugin prints these one after the other, the last of them again and again."""
    for number, status in enumerate(credentials, 1):
        printed = {"apiVersion": V1, "kind": "ExecCredential", "status": status}
        (directory / f"answer-{number}").write_text(json.dumps(printed))
    script = directory / "plugin"
    script.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")"\nn=$(($(cat count 2>/dev/null || echo 0) + 1))\n'
        f"[ $n -gt {len(credentials)} ] && n={len(credentials)}\necho $n > count\ncat answer-$n\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": V1, "command": "./plugin"}}


@pytest.fixture
def always_reread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dag_monitor.cluster.channel._REREAD_SECONDS", 0.0)


async def test_a_client_certificate_opens_the_door_and_nothing_else_does(tmp_path: Path) -> None:
    server, client, stranger = (made(tmp_path, name) for name in ("server", "client", "stranger"))
    async with door(server, client) as opened:
        for whose, let_in in ((client, True), (stranger, False), (None, False)):
            shown = (
                {"client-certificate-data": encoded(whose.certificate), "client-key-data": encoded(whose.key)}
                if whose
                else {}
            )
            path = written(tmp_path, opened.url, server.authority, shown)
            async with inside(kubeconfig.access(path, "prod")) as cluster:
                if let_in:
                    assert (await cluster.list(RELEASES)).items == []
                    continue
                with pytest.raises(Unavailable, match="cannot list"):
                    await cluster.list(RELEASES)
        assert len(opened.shown) == 1


@pytest.mark.usefixtures("always_reread")
async def test_a_client_certificate_that_was_renewed_in_its_file_is_taken_up(tmp_path: Path) -> None:
    server, old, new = (made(tmp_path, name) for name in ("server", "old", "new"))
    user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
    async with door(server, new) as opened:
        path = written(tmp_path, opened.url, server.authority, user)
        _put(tmp_path, old)
        async with inside(kubeconfig.access(path, "prod")) as cluster:
            with pytest.raises(Unavailable, match=r"the connection broke: [A-Z]"):
                await cluster.list(RELEASES)
            _put(tmp_path, new)
            assert (await cluster.list(RELEASES)).items == []


def _put(directory: Path, whose: Certificates) -> None:
    (directory / "tls.crt").write_bytes(whose.certificate.read_bytes())
    (directory / "tls.key").write_bytes(whose.key.read_bytes())


async def test_a_plugin_s_certificate_opens_the_door(tmp_path: Path) -> None:
    server, client = (made(tmp_path, name) for name in ("server", "client"))
    status = {"clientCertificateData": client.certificate.read_text(), "clientKeyData": client.key.read_text()}
    async with door(server, client) as opened:
        path = written(tmp_path, opened.url, server.authority, plugin(tmp_path, status))
        async with inside(kubeconfig.access(path, "prod")) as cluster:
            await cluster.list(RELEASES)
        assert opened.shown[0][0] > 0


@pytest.mark.usefixtures("always_reread")
async def test_a_plugin_s_token_is_renewed_when_it_expires_or_is_refused(tmp_path: Path) -> None:
    server = made(tmp_path, "server")
    tokens = [
        {"token": "expired", "expirationTimestamp": "2020-01-01T00:00:00Z"},
        {"token": "revoked", "expirationTimestamp": "2999-01-01T00:00:00Z"},
        {"token": "good"},
    ]
    async with door(server, tokens=("expired", "revoked", "good")) as opened:
        path = written(tmp_path, opened.url, server.authority, plugin(tmp_path, *tokens))
        async with inside(kubeconfig.access(path, "prod")) as cluster:
            await cluster.list(RELEASES)
            await cluster.list(RELEASES)
            await cluster.list(RELEASES)
            opened.tokens.discard("revoked")
            await cluster.list(RELEASES)
    assert [token for _, token in opened.shown] == ["expired", "revoked", "revoked", "revoked", "good"]


@pytest.mark.usefixtures("always_reread")
async def test_a_pod_goes_in_with_files_that_are_rewritten_under_it(tmp_path: Path) -> None:
    before, after = (made(tmp_path, name) for name in ("before", "after"))
    (tmp_path / "token").write_text("one")
    (tmp_path / "ca.crt").write_bytes(before.authority.read_bytes())
    async with door(before, tokens=("one",)) as first, door(after, tokens=("two",)) as second:
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(first.port)}
        async with inside(in_cluster.access(environment, tmp_path)) as cluster:
            await cluster.list(RELEASES)
        environment["KUBERNETES_SERVICE_PORT"] = str(second.port)
        async with inside(in_cluster.access(environment, tmp_path)) as cluster:
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await cluster.list(RELEASES)
            (tmp_path / "token").write_text("two\n")
            (tmp_path / "ca.crt").write_bytes(after.authority.read_bytes())
            await cluster.list(RELEASES)
    assert (first.shown, second.shown) == ([(0, "one")], [(0, "two")])
