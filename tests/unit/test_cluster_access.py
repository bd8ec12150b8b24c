from __future__ import annotations

import base64
import json
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from certificates import make_certificates

from dag_common.errors import DagError, Invalid, NotFound, Unavailable
from dag_common.registry.clusters import Cluster, Kubeconfig
from dag_common.registry.references import FilePath
from dag_monitor.cluster import in_cluster, kubeconfig, tls
from dag_monitor.cluster.access import Credentials
from dag_monitor.cluster.entry import access_to

SERVER = "https://prod.example:6443"
V1 = "client.authentication.k8s.io/v1"


def written(tmp_path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [
            {"name": "prod", "context": {"cluster": "prod", "user": "dag", "namespace": "ignored"}},
            {"name": "nobody", "context": {"cluster": "prod"}},
            {"name": "broken", "context": {"cluster": "gone", "user": "dag"}},
        ],
        "clusters": [{"name": "prod", "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": "dag", "user": user}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(document))
    return path


def plugin(tmp_path: Path, body: str) -> dict[str, Any]:
    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": V1, "command": "./plugin", "args": None, "env": [{"name": "REGION", "value": "eu"}]}}


def credential(**status: Any) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_inline_data_is_decoded_and_wins_over_files(tmp_path: Path) -> None:
    cluster = {"certificate-authority-data": encoded("CA"), "certificate-authority": "missing.pem"}
    user = {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY")}
    access = kubeconfig.access(written(tmp_path, cluster=cluster, user=user))
    assert access.server == SERVER
    assert access.ca is not None
    assert access.ca() == "CA"
    assert access.credentials.read(refused=False) == Credentials(certificate="CERT", private_key="KEY")


def test_files_count_from_the_kubeconfig_and_are_read_when_used(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.pem").write_text("CA 1")
    (tmp_path / "token").write_text("one\n")
    cluster = {"certificate-authority": "pki/ca.pem"}
    access = kubeconfig.access(written(tmp_path, cluster=cluster, user={"token": "stale", "tokenFile": "token"}))
    assert access.credentials.read(refused=False).token == "one"
    (tmp_path / "token").write_text("two\n")
    (tmp_path / "pki" / "ca.pem").write_text("CA 2")
    assert access.ca is not None
    assert (access.credentials.read(refused=True).token, access.ca()) == ("two", "CA 2")


def test_a_token_in_a_rewritten_kubeconfig_is_taken_up(tmp_path: Path) -> None:
    access = kubeconfig.access(written(tmp_path, user={"token": "one"}))
    assert access.credentials.read(refused=False).token == "one"
    written(tmp_path, user={"token": "two"})
    assert access.credentials.read(refused=False).token == "two"


def test_the_other_settings_of_a_cluster_are_kept(tmp_path: Path) -> None:
    cluster = {
        "tls-server-name": "kubernetes",
        "insecure-skip-tls-verify": True,
        "proxy-url": "http://proxy.example:3128",
    }
    access = kubeconfig.access(written(tmp_path, cluster=cluster), "nobody")
    assert (access.tls_server_name, access.insecure_skip_tls_verify) == ("kubernetes", True)
    assert access.proxy == "http://proxy.example:3128"
    assert access.credentials.read(refused=False) == Credentials()


@pytest.mark.parametrize(
    ("context", "error", "words"),
    [
        ("absent", NotFound, r"no context named 'absent' \(there are: prod, nobody, broken\)"),
        ("broken", NotFound, r"no cluster named 'gone'"),
    ],
)
def test_a_missing_part_is_named_with_what_is_there(
    tmp_path: Path, context: str, error: type[DagError], words: str
) -> None:
    with pytest.raises(error, match=words):
        kubeconfig.access(written(tmp_path), context)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1: not YAML"),
        ("clusters: 5", r"not a kubeconfig: .*\$\.clusters"),
        ("clusters: []", "no current-context"),
        ("current-context: a\nusers:\n- name: planted-secret: x", "line 3: not YAML"),
    ],
)
def test_a_file_that_is_no_kubeconfig_says_where(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(Invalid, match=words) as wrong:
        kubeconfig.access(path)
    assert "planted-secret" not in str(wrong.value)


def test_a_kubeconfig_that_is_not_there_yet_may_come(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot read"):
        kubeconfig.access(tmp_path / "absent")


@pytest.mark.parametrize("user", [{"username": "admin", "password": "x"}, {"auth-provider": {"name": "gcp"}}])
def test_ways_to_authenticate_that_kubernetes_dropped_are_refused(tmp_path: Path, user: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="use exec"):
        kubeconfig.access(written(tmp_path, user=user))


def test_a_plugin_runs_once_until_it_is_refused_or_expired(tmp_path: Path) -> None:
    answers = [
        credential(token="one", expirationTimestamp="2999-01-01T00:00:00Z"),
        credential(token="two", expirationTimestamp="2020-01-01T00:00:00Z"),
        credential(clientCertificateData="CERT", clientKeyData="KEY"),
    ]
    for number, answer in enumerate(answers, 1):
        (tmp_path / f"answer-{number}").write_text(answer)
    body = 'cd "$(dirname "$0")"; n=$(($(cat count 2>/dev/null || echo 0) + 1)); echo $n > count; cat answer-$n'
    source = kubeconfig.access(written(tmp_path, user=plugin(tmp_path, body))).credentials
    assert [source.read(refused=False).token for _ in range(3)] == ["one", "one", "one"]
    assert source.read(refused=True).token == "two"
    assert source.read(refused=False) == Credentials(certificate="CERT", private_key="KEY")
    assert source.read(refused=False).certificate == "CERT"
    assert (tmp_path / "count").read_text().strip() == "3"


def test_a_plugin_is_told_its_cluster_if_it_asks(tmp_path: Path) -> None:
    body = 'printf "%s" "$KUBERNETES_EXEC_INFO" > "$(dirname "$0")/info"; echo "$ANSWER"'
    user = plugin(tmp_path, body)
    user["exec"]["provideClusterInfo"] = True
    user["exec"]["env"].append({"name": "ANSWER", "value": credential(token="t")})
    cluster = {"certificate-authority-data": encoded("CA")}
    assert kubeconfig.access(written(tmp_path, cluster=cluster, user=user)).credentials.read(refused=False).token == "t"
    spec = json.loads((tmp_path / "info").read_text())["spec"]
    assert spec == {"interactive": False, "cluster": {"server": SERVER, "certificate-authority-data": encoded("CA")}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 3", "exit code 3"),
        ("echo planted-secret", "did not print an ExecCredential"),
        (f"echo '{credential()}'", "neither a token nor a certificate"),
        ('echo \'{"apiVersion":"v0","kind":"ExecCredential","status":{"token":"planted-secret"}}\'', "did not print"),
    ],
)
def test_a_plugin_that_fails_is_tried_again_later_and_quoted_never(tmp_path: Path, body: str, words: str) -> None:
    source = kubeconfig.access(written(tmp_path, user=plugin(tmp_path, body))).credentials
    with pytest.raises(Unavailable, match=words) as failed:
        source.read(refused=False)
    assert "planted-secret" not in str(failed.value)


def test_a_plugin_that_is_not_installed_gives_its_hint(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": V1, "command": "no-such-plugin", "installHint": "apt install it"}}
    source = kubeconfig.access(written(tmp_path, user=user)).credentials
    with pytest.raises(Unavailable, match="not installed: apt install it"):
        source.read(refused=False)


@pytest.mark.parametrize(
    "wrong", [{"apiVersion": "client.authentication.k8s.io/v1alpha1"}, {"apiVersion": V1, "interactiveMode": "Always"}]
)
def test_a_plugin_no_server_can_run_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="exec plugin login"):
        kubeconfig.access(written(tmp_path, user={"exec": {"command": "login", **wrong}}))


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod")
    (tmp_path / "ca.crt").write_text("CA")
    there = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    access = in_cluster.access(there, tmp_path)
    assert access.server == "https://[fd00::1]:443"
    assert access.ca is not None
    assert (access.credentials.read(refused=False).token, access.ca()) == ("pod", "CA")
    with pytest.raises(Invalid, match="this is no pod"):
        in_cluster.access({})


def test_a_registry_entry_leads_to_its_kubeconfig(tmp_path: Path) -> None:
    path = written(tmp_path, user={"token": "planted-secret"})
    access = access_to(Cluster(kubeconfig=Kubeconfig(file=FilePath(str(path)), context="prod")))
    assert access.server == SERVER
    credentials = access.credentials.read(refused=False)
    assert credentials.token == "planted-secret"
    assert "planted-secret" not in f"{access!r} {credentials!r}"


def test_a_client_certificate_is_taken_with_its_key_only(tmp_path: Path) -> None:
    one, other = (make_certificates(_made(tmp_path / name)) for name in ("one", "other"))
    certificate, key, foreign = one.certificate.read_text(), one.key.read_text(), other.key.read_text()
    tls.context(tls.Trust(certificate=certificate, private_key=key))
    with pytest.raises(Invalid, match="belong together"):
        tls.context(tls.Trust(certificate=certificate, private_key=foreign))


@pytest.mark.parametrize("strict", [True, False])
def test_old_authorities_are_taken_where_strictness_is_off(monkeypatch: pytest.MonkeyPatch, *, strict: bool) -> None:
    as_of_python_3_13 = ssl.create_default_context()
    as_of_python_3_13.verify_flags |= ssl.VERIFY_X509_STRICT
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: as_of_python_3_13)
    assert bool(tls.context(tls.Trust(strict=strict)).verify_flags & ssl.VERIFY_X509_STRICT) is strict


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
