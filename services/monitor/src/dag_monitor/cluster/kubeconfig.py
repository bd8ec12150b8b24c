"""From a kubeconfig to the way in (kubernetes/client-go tools/clientcmd/api/v1/types.go).

The server and how to authenticate are read once; certificates, keys and tokens are read from the file, and from the
files it names, whenever they are used.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from dag_common.errors import Invalid, NotFound
from dag_monitor.cluster.access import Access, CredentialSource, StoredCredentials, Text, from_file
from dag_monitor.cluster.exec_plugin import ExecConfig, ExecPlugin


class _Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class _User(msgspec.Struct, frozen=True, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    exec: ExecConfig | None = None
    auth_provider: dict[str, Any] | None = None


class _Context(msgspec.Struct, frozen=True):
    cluster: str
    user: str = ""


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str
    cluster: _Cluster


class _NamedUser(msgspec.Struct, frozen=True):
    name: str
    user: _User | None = None


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: _Context


class _Kubeconfig(msgspec.Struct, frozen=True, rename="kebab"):
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None
    current_context: str = ""


_Named = TypeVar("_Named", _NamedCluster, _NamedUser, _NamedContext)


def access(path: Path, context: str = "") -> Access:
    """The way into the cluster of a context (empty: the current one).

    Raises `Unavailable` if the file cannot be read, `Invalid` naming the place in it that is wrong, `NotFound`
    for a context, cluster or user that is not in it. Blocks while it reads.
    """
    chosen = _chosen(path, context)
    cluster, user = _cluster(path, chosen), _user(path, chosen)
    trusted = cluster.certificate_authority or cluster.certificate_authority_data
    return Access(
        server=cluster.server,
        credentials=_credentials(path, chosen, cluster, user),
        ca=(lambda: _ca(path, chosen)) if trusted else None,
        tls_server_name=cluster.tls_server_name,
        insecure_skip_tls_verify=cluster.insecure_skip_tls_verify,
        proxy=cluster.proxy_url,
    )


def _credentials(path: Path, chosen: _Context, cluster: _Cluster, user: _User) -> CredentialSource:
    if user.exec is not None:
        told = {"server": cluster.server, "tls-server-name": cluster.tls_server_name}
        if cluster.certificate_authority or cluster.certificate_authority_data:
            told["certificate-authority-data"] = base64.b64encode(_ca(path, chosen).encode()).decode()
        return ExecPlugin(
            user.exec, directory=path.parent, cluster={key: value for key, value in told.items() if value}
        )
    if user.username or user.auth_provider:
        raise Invalid(f"{path}: user {chosen.user!r}: basic auth and auth-provider are gone from Kubernetes; use exec")
    return StoredCredentials(
        token=lambda: _token(path, chosen),
        certificate=lambda: _certificate(path, chosen),
        private_key=lambda: _private_key(path, chosen),
    )


def _token(path: Path, chosen: _Context) -> str:
    user = _user(path, chosen)
    return _from(path, user.token_file)() if user.token_file else user.token


def _certificate(path: Path, chosen: _Context) -> str:
    user = _user(path, chosen)
    return _pem(path, user.client_certificate_data, user.client_certificate)


def _private_key(path: Path, chosen: _Context) -> str:
    user = _user(path, chosen)
    return _pem(path, user.client_key_data, user.client_key)


def _ca(path: Path, chosen: _Context) -> str:
    cluster = _cluster(path, chosen)
    return _pem(path, cluster.certificate_authority_data, cluster.certificate_authority)


def _pem(path: Path, data: str, file: str) -> str:
    """Inline data wins over a named file, as in client-go."""
    if not data:
        return _from(path, file)() if file else ""
    try:
        return base64.b64decode(data, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Invalid(f"{path}: certificate and key data must be PEM in base64") from None


def _from(path: Path, file: str) -> Text:
    return from_file(path.parent / file)


def _chosen(path: Path, context: str) -> _Context:
    config = _read(path)
    name = context or config.current_context
    if not name:
        raise Invalid(f"{path}: there is no current-context; name the context to use")
    return _find(path, "context", config.contexts, name).context


def _cluster(path: Path, chosen: _Context) -> _Cluster:
    return _find(path, "cluster", _read(path).clusters, chosen.cluster).cluster


def _user(path: Path, chosen: _Context) -> _User:
    if not chosen.user:
        return _User()
    return _find(path, "user", _read(path).users, chosen.user).user or _User()


def _find(path: Path, what: str, entries: list[_Named] | None, name: str) -> _Named:
    for entry in entries or []:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in entries or []) or "none"
    raise NotFound(f"{path}: no {what} named {name!r} (there are: {known})")


def _read(path: Path) -> _Kubeconfig:
    text = from_file(path)()
    try:
        return msgspec.convert(yaml.safe_load(text), _Kubeconfig)
    except yaml.MarkedYAMLError as exc:
        place = f", line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        # Without the cause: its text quotes the file, which may hold a token.
        raise Invalid(f"{path}{place}: not YAML: {exc.problem}") from None
    except (yaml.YAMLError, msgspec.ValidationError) as exc:
        raise Invalid(f"{path}: not a kubeconfig: {exc}") from None
