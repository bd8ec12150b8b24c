"""What `dag.yaml` holds, section by section."""

from __future__ import annotations

from typing import Any, Final

from dag_common.registry.apps import App
from dag_common.registry.clusters import Cluster
from dag_common.registry.durations import Seconds
from dag_common.registry.entry import Entry
from dag_common.registry.providers import Provider
from dag_common.registry.references import FilePath
from dag_common.registry.repositories import IacRepository

SECTIONS: Final[dict[str, type[Entry]]] = {
    "providers": Provider,
    "iac": IacRepository,
    "clusters": Cluster,
    "apps": App,
}
"""The top level of a document: `apps` is a list, the others are mappings from a name to an entry."""


def plain(value: Any) -> Any:
    """Values of our own types as JSON types; for encoders."""
    if isinstance(value, FilePath):
        return value.written
    if isinstance(value, Seconds):
        return int(value)
    raise NotImplementedError(type(value))
