"""Lists in pages: every page of one list shows the collection at the same revision."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass

from dag_common.errors import Invalid, Refused
from dag_sandbox.cluster.double import ClusterDouble, Key
from dag_sandbox.cluster.history import EXPIRED
from dag_sandbox.cluster.resources import Object, Resource


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects, the metadata of the list they belong to."""

    items: list[Object]
    metadata: Object


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where the next page begins: after `key`, at `revision`."""

    revision: int
    key: Key

    def token(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.revision, *self.key]).encode()).decode()

    @classmethod
    def read(cls, token: str) -> _Mark:
        try:
            revision, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error) as exc:
            raise Invalid("continue key is not valid") from exc
        return cls(int(revision), (str(namespace), str(name)))


def read(
    cluster: ClusterDouble, resource: Resource, matches: Callable[[Object], bool], *, limit: int, token: str
) -> Page:
    """At most `limit` objects (0: all) after the page that gave `token` (empty: the first).

    Raises `Invalid` for a broken token and `Refused` (`Expired`) for one the history no longer reaches.
    """
    mark = _Mark.read(token) if token else _Mark(cluster.history.head, ("", ""))
    rest = [
        (key, obj)
        for key, obj in sorted(_state(cluster, resource, mark).items())
        if (not token or key > mark.key) and matches(obj)
    ]
    metadata: Object = {"resourceVersion": str(mark.revision)}
    if limit and len(rest) > limit:
        metadata["continue"] = _Mark(mark.revision, rest[limit - 1][0]).token()
        metadata["remainingItemCount"] = len(rest) - limit
        rest = rest[:limit]
    return Page([obj for _, obj in rest], metadata)


def _state(cluster: ClusterDouble, resource: Resource, mark: _Mark) -> dict[Key, Object]:
    try:
        return cluster.stored(resource, at=mark.revision)
    except Refused as exc:
        raise Refused(
            EXPIRED,
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter.",
        ) from exc
