"""What is read of a cluster beside its watches: the contents of release secrets, and how far watches must have come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dag_monitor.cluster.client import Listing
from dag_monitor.cluster.readings import Reading, Readings
from dag_monitor.cluster.resources import SECRETS, WORKLOADS, Object, Query, Resource, key_of
from dag_monitor.domain import fields
from dag_monitor.domain.expectation import Ref
from dag_monitor.domain.helm_observation import state_of
from dag_monitor.domain.helm_payload import release_of

Floor = tuple[str, int]
"""An object's uid and generation."""


class Source(Protocol):
    """The two reads this lives on; `ClusterClient` has them. Both tell the present, never a copy of the past."""

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object."""

    async def list(self, query: Query) -> Listing:
        """Everything the query means."""


class Reader:
    """Reads in the background, each thing once for all windows on the cluster."""

    def __init__(self, source: Source, readings: Readings | None = None) -> None:
        self._source = source
        self._readings = readings or Readings()

    def release(self, secret: Object, changed: asyncio.Event) -> Reading:
        """What a release secret holds in this state of it, or in a newer one: see `release_of`."""
        namespace, name = key_of(secret)
        return self._readings.get(state_of(secret), lambda: self._release(namespace, name), changed)

    def floors(self, state: str, refs: Sequence[Ref], changed: asyncio.Event) -> Reading:
        """How far the objects were at some moment after `state` was seen: `Floor` by `Ref`, none for what was not."""
        return self._readings.get((state, tuple(refs)), lambda: self._floors(refs), changed)

    def floors_outdated(self, state: str, refs: Sequence[Ref]) -> None:
        """The objects went on in a way that cannot be compared: have the floors read again."""
        self._readings.forget((state, tuple(refs)))

    async def aclose(self) -> None:
        """Stop reading."""
        await self._readings.aclose()

    async def _release(self, namespace: str, name: str) -> dict[str, Any]:
        secret = await self._source.get(SECRETS, namespace, name)
        return await asyncio.to_thread(release_of, fields.text(secret, "data", "release"))

    async def _floors(self, refs: Sequence[Ref]) -> dict[Ref, Floor]:
        """Lists of metadata: a watch needs the right to list anyway, and one answer tells of all of a kind."""
        queries = {Query(WORKLOADS[ref.kind], ref.namespace, metadata_only=True) for ref in refs}
        listings = await asyncio.gather(*(self._listed(query) for query in queries))
        found = {ref: floor for listing in listings for ref, floor in listing.items()}
        return {ref: found[ref] for ref in refs if ref in found}

    async def _listed(self, query: Query) -> dict[Ref, Floor]:
        listing = await self._source.list(query)
        return {Ref(query.resource.kind, *key_of(obj)): floor_of(obj) for obj in listing.items}


def floor_of(obj: Mapping[str, Any]) -> Floor:
    """How far an object is."""
    return fields.text(obj, "metadata", "uid"), fields.number(obj, "metadata", "generation")
