"""An uploaded .tgz becomes a `Chart`, wholly or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dag_common.charts.gunzip import Gunzip
from dag_common.charts.limits import DEFAULT, Limits, in_words
from dag_common.charts.metadata import CHART_YAML, read_metadata
from dag_common.charts.names import in_quotes
from dag_common.charts.tar import members
from dag_common.charts.tree import Tree
from dag_common.errors import Invalid, TooLarge


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that Helm would load. `files` are paths relative to the chart's directory, sorted; modes are dropped."""

    name: str
    version: str
    files: Mapping[str, bytes]


def read_archive(content: bytes, limits: Limits = DEFAULT) -> Chart:
    """Read a chart from a gzipped tar in memory bounded by `limits`, whatever the bytes are.

    Raises `TooLarge` for an upload over the limit and `Invalid` for everything else, with the member's name and
    what to do. Older clients pack the chart's folder under the folder's name: the name in Chart.yaml counts.
    The rules are Helm's (helm/helm, `pkg/chart/loader/archive`), and stricter where Helm's advisories were.
    """
    if len(content) > limits.upload:
        raise TooLarge(f"The chart archive is larger than {in_words(limits.upload)}. Take out what it does not need.")
    tree = Tree(limits)
    for count, member in enumerate(members(Gunzip(content, limits), limits), start=1):
        if count > limits.members:
            raise Invalid(f"The chart archive has more than {limits.members} members. Take out what it does not need.")
        tree.add(member)
    return _chart(_under_one_top(tree))


def _under_one_top(tree: Tree) -> dict[str, bytes]:
    if not tree.files:
        raise Invalid("The chart archive holds no files. Pack the chart's directory: `tar -czf chart.tgz mychart`.")
    if loose := [parts[0] for parts in tree.files if len(parts) == 1]:
        raise Invalid(
            f"The file {in_quotes(loose[0])} lies outside the chart's directory. "
            "Pack the directory itself, not what is in it: `tar -czf chart.tgz mychart`."
        )
    if len(tree.tops) > 1:
        first, second, *_ = tree.tops
        raise Invalid(
            f"The archive has two top directories, {in_quotes(first)} and {in_quotes(second)}. Pack only the chart's."
        )
    return {"/".join(parts[1:]): content for parts, content in sorted(tree.files.items())}


def _chart(files: dict[str, bytes]) -> Chart:
    if CHART_YAML not in files:
        raise Invalid("The archive's top directory has no Chart.yaml. Pack the directory that holds it.")
    metadata = read_metadata(files[CHART_YAML])
    return Chart(name=metadata.name, version=metadata.version, files=dict(sorted(files.items())))
