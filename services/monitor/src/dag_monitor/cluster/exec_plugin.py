"""Credentials from an exec plugin, as kubeconfigs of cloud providers name them.

The protocol is client.authentication.k8s.io (kubernetes/client-go plugin/pkg/client/auth/exec/exec.go): the
command gets KUBERNETES_EXEC_INFO and prints an ExecCredential.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from dag_common.errors import Invalid, Unavailable
from dag_common.runtime import clock
from dag_monitor.cluster.access import Credentials

_VERSIONS: Final = {"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}
_SECONDS: Final = 60.0


class EnvVar(msgspec.Struct, frozen=True):
    """One variable the command gets in addition to our own environment."""

    name: str
    value: str


class ExecConfig(msgspec.Struct, frozen=True, rename="camel"):
    """The `exec` part of a kubeconfig's user."""

    command: str
    api_version: str
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _Status(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _Status


@dataclass(frozen=True, slots=True)
class _Cached:
    credentials: Credentials
    expires_at: datetime | None


class ExecPlugin:
    """Runs the command when there are no credentials, when they have expired and when they were refused.

    Its standard error goes to ours, where client-go sends it too; what it prints is never logged or reported.
    """

    def __init__(self, config: ExecConfig, *, directory: Path, cluster: Mapping[str, Any]) -> None:
        """`directory` is where relative commands count from, `cluster` what a plugin that asks for it is told.

        Raises `Invalid` for a protocol version this code does not speak, or a plugin that must ask a person.
        """
        if config.api_version not in _VERSIONS:
            raise Invalid(f"exec plugin {config.command}: apiVersion {config.api_version!r} is not one of v1, v1beta1")
        if config.interactive_mode == "Always":
            raise Invalid(f"exec plugin {config.command} wants to ask a person (interactiveMode: Always)")
        self._config, self._directory, self._cluster = config, directory, cluster
        self._lock = threading.Lock()
        self._cached: _Cached | None = None

    def read(self, *, refused: bool) -> Credentials:
        """The credentials of the moment. Raises `Unavailable` when the plugin fails; blocks while it runs."""
        with self._lock:
            if refused or self._cached is None or _expired(self._cached):
                self._cached = self._run()
            return self._cached.credentials

    def _run(self) -> _Cached:
        command = self._config.command
        try:
            ran = subprocess.run(  # noqa: S603  the operator's own kubeconfig names the command
                [self._located(command), *(self._config.args or [])],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError as exc:
            hint = f": {self._config.install_hint}" if self._config.install_hint else ""
            raise Unavailable(f"exec plugin {command} is not installed{hint}") from exc
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise Unavailable(f"exec plugin {command} did not run: {type(exc).__name__}") from exc
        if ran.returncode:
            raise Unavailable(f"exec plugin {command} failed with exit code {ran.returncode}; see its output above")
        return self._understood(ran.stdout)

    def _understood(self, printed: bytes) -> _Cached:
        command = self._config.command
        try:
            answer = msgspec.json.decode(printed, type=_ExecCredential)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # Without the cause: its text could quote a credential.
            raise Unavailable(f"exec plugin {command} did not print an ExecCredential") from None
        if answer.kind != "ExecCredential" or answer.api_version != self._config.api_version:
            raise Unavailable(f"exec plugin {command} did not print a {self._config.api_version} ExecCredential")
        status = answer.status
        if not (status.token or (status.client_certificate_data and status.client_key_data)):
            raise Unavailable(f"exec plugin {command} printed neither a token nor a certificate with its key")
        credentials = Credentials(status.token, status.client_certificate_data, status.client_key_data)
        return _Cached(credentials, status.expiration_timestamp)

    def _located(self, command: str) -> str:
        """A path with a separator counts from the kubeconfig's directory, a bare name is looked up in PATH."""
        return str(self._directory / command) if os.sep in command else command

    def _environment(self) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": False}
        if self._config.provide_cluster_info:
            spec["cluster"] = dict(self._cluster)
        info = {"kind": "ExecCredential", "apiVersion": self._config.api_version, "spec": spec}
        added = {variable.name: variable.value for variable in self._config.env or []}
        return {**os.environ, **added, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}


def _expired(cached: _Cached) -> bool:
    return cached.expires_at is not None and clock.now() >= cached.expires_at
