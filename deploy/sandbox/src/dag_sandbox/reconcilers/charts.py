"""A chart in a git repository, as far as a stand-in for Helm has to read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from dag_common.errors import Invalid, NotFound
from dag_sandbox.reconcilers.git_tip import Checkout


@dataclass(frozen=True, slots=True)
class Built:
    """A chart as Helm gets it; `version` is what the reconciler made of the one in Chart.yaml."""

    name: str
    version: str
    app_version: str
    values: Any

    @property
    def label(self) -> str:
        """As Flux's messages name it."""
        return f"{self.name}@{self.version}"


async def read_chart(checkout: Checkout, commit: str, directory: str) -> Built:
    """The chart in a directory at a commit that was fetched. Raises `NotFound`, `Invalid`."""
    path = _prefix(directory)
    described = _mapping("Chart.yaml", await checkout.read(commit, f"{path}Chart.yaml"))
    try:
        values = _parsed("values.yaml", await checkout.read(commit, f"{path}values.yaml"))
    except NotFound:
        values = {}
    name, version = str(described.get("name", "")), str(described.get("version", ""))
    if not name or not version:
        raise Invalid("Chart.yaml: chart.metadata.name and chart.metadata.version are required")
    return Built(name, version, str(described.get("appVersion", "")), values)


def _prefix(directory: str) -> str:
    path = PurePosixPath(directory.lstrip("/")).as_posix()
    return "" if path == "." else f"{path}/"


def _parsed(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise Invalid(f"{name}: error converting YAML to JSON: {exc}") from exc


def _mapping(name: str, text: str) -> dict[str, Any]:
    parsed = _parsed(name, text)
    if not isinstance(parsed, dict):
        raise Invalid(f"{name}: it must be a mapping")
    return parsed
