"""Where an Argo CD Application takes its manifests from, and at which revision each place was taken.

Source: argoproj/argo-cd pkg/apis/application/v1alpha1/types.go. One source has `revision`, several have `revisions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Object


@dataclass(frozen=True, slots=True)
class Source:
    """One place the Application takes manifests from; `path` is empty for charts of a chart repository.

    `branch` is what it follows by that name, which may be a tag's or a commit's too; empty: the repository's default
    (argoproj/argo-cd docs/user-guide/tracking_strategies.md and util/git/client.go).
    """

    url: str
    path: str
    branch: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The revision that one source was taken at; `source` is None if it is not told which."""

    source: Source | None
    revision: str


def named(taken: Iterable[Taken]) -> tuple[str, ...]:
    """The revisions, each once."""
    return tuple(dict.fromkeys(one.revision for one in taken))


def sources_of(obj: Any) -> tuple[Source, ...]:
    """What is listed in a spec, a comparison, a sync or an entry of the history."""
    listed = fields.items(obj, "sources") or [fields.field(obj, "source")]
    return tuple(_source(one) for one in listed if one is not None)


def _source(listed: Any) -> Source:
    revision = fields.text(listed, "targetRevision").removeprefix("refs/heads/")
    return Source(
        url=fields.text(listed, "repoURL"),
        path=fields.text(listed, "path"),
        branch="" if revision == "HEAD" else revision,
    )


def compared_as_specified(obj: Object) -> bool:
    """Whether the Application was last compared with the sources that its spec has now."""
    key = "sources" if fields.items(obj, "spec", "sources") else "source"
    specified = fields.field(obj, "spec", key)
    compared = fields.field(obj, "status", "sync", "comparedTo", key)
    return bool(specified) and _written(specified) == _written(compared)


def _written(value: Any, name: str = "") -> Any:
    """A part of a spec as Argo CD writes it back: its types leave out what is empty, false or zero (omitempty).

    What stands in a list keeps its place there, and values for Helm are kept as they are (RawExtension).
    """
    if name == "valuesObject":
        return value
    if isinstance(value, Mapping):
        written = {key: _written(one, key) for key, one in value.items()}
        return {key: one for key, one in written.items() if one}
    return [_written(one) for one in value] if isinstance(value, list) else value


def taken_of(said: Any, *sources: Any) -> tuple[Taken, ...]:
    """Argo CD lists one revision a source, in the order of the sources; `sources` are the places that may list them."""
    listed = fields.items(said, "revisions") or [fields.field(said, "revision")]
    known = next((found for one in sources if (found := sources_of(one))), ())
    paired: Sequence[Source | None] = known if len(known) == len(listed) else [None] * len(listed)
    return tuple(Taken(source, one) for source, one in zip(paired, listed, strict=True) if isinstance(one, str) and one)
