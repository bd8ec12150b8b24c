"""The workloads that a release's manifest names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from dag_common.charts.values import read_yaml
from dag_common.errors import Invalid
from dag_monitor.domain import fields

GROUPS: Final = {"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "Job": "batch"}
_MOST: Final = 4 << 20
# Helm splits templates the same way before it joins them again (helm/helm pkg/release/v1/util/manifest.go).
_BETWEEN: Final = re.compile(r"^---.*$", re.MULTILINE)


def workloads_in(manifest: str) -> list[dict[str, str]]:
    """`kind`, `namespace` (empty: the release's) and `name` of each, in the manifest's order.

    Raises `Invalid` for one that is no YAML, or has more than 4 MiB in documents that may be workloads: a workload
    that is overlooked would be taken for a healthy one.
    """
    texts = [text for text in _BETWEEN.split(manifest) if any(kind in text for kind in GROUPS)]
    if sum(map(len, texts)) > _MOST:
        raise Invalid("the release's manifest is too large to be searched for workloads")
    return [found for text in texts for found in _workloads(read_yaml(text.encode(), "the release's manifest"))]


def _workloads(document: Any) -> Iterator[dict[str, str]]:
    listed = fields.items(document, "items") if fields.text(document, "kind") == "List" else [document]
    for obj in listed:
        kind, name = fields.text(obj, "kind"), fields.text(obj, "metadata", "name")
        group = fields.text(obj, "apiVersion").partition("/")[0]
        if name and GROUPS.get(kind) == group:
            yield {"kind": kind, "namespace": fields.text(obj, "metadata", "namespace"), "name": name}
