"""The registry that lets DAG deploy into the sandbox: `sandbox.yaml` and the secrets it refers to."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from dag_sandbox.addresses import GIT_PASSWORD, GIT_USER, IAC, PROJECT, Addresses
from dag_sandbox.releases import RELEASES, Release

FILE = "sandbox.yaml"


def write_registry(directory: Path, addresses: Addresses, cluster_token: str) -> Path:
    """Write the file and its secrets into `directory`; each appears whole or not at all. Returns the file's path."""
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / "sandbox-cluster.token", cluster_token)
    _write(directory / "sandbox-git.password", GIT_PASSWORD)
    text = "# Written by the sandbox; written again when it starts.\n" + yaml.safe_dump(
        _registry(addresses), sort_keys=False
    )
    return _write(directory / FILE, text)


def _registry(addresses: Addresses) -> dict[str, object]:
    password = {"file": "sandbox-git.password"}
    return {
        "providers": {"sandbox-gitlab": {"kind": "gitlab", "url": addresses.gitlab}},
        "iac": {
            IAC: {
                "url": addresses.iac_url,
                "branch": "main",
                "credentials": {"https": {"username": GIT_USER, "password": password}},
            }
        },
        "clusters": {"sandbox": {"server": addresses.cluster, "token": {"file": "sandbox-cluster.token"}}},
        "apps": [
            {
                "name": PROJECT.rpartition("/")[2],
                "repoUrl": addresses.repo_url,
                "provider": "sandbox-gitlab",
                "environments": [_environment(release) for release in RELEASES],
            }
        ],
    }


def _environment(release: Release) -> dict[str, object]:
    kind, namespace = release.watched
    target = {
        "kind": kind,
        "cluster": "sandbox",
        "namespace": namespace,
        "name": release.name,
        "timeout": "5m",
    }
    return {
        "name": release.environment,
        "branch": release.branch,
        "iac": {"repository": IAC, "path": release.path},
        "targets": [target],
    }


def _write(path: Path, text: str) -> Path:
    """Readable by the owner only, because secrets are written this way too."""
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return fresh.replace(path)
