"""The clusters of the registry: one client and one set of shared reflectors each, opened when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dag_common.registry.clusters import Cluster
from dag_common.registry.registry import Registry
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.entry import access_to
from dag_monitor.cluster.reader import Reader
from dag_monitor.cluster.reflectors import Reflectors


@dataclass(frozen=True, slots=True)
class _Open:
    entry: Cluster
    client: ClusterClient
    reflectors: Reflectors
    reader: Reader

    async def close(self) -> None:
        await self.reflectors.aclose()
        await self.reader.aclose()
        await self.client.aclose()


class Clusters:
    """Gives out clients and reflectors by cluster name. An entry that changed in the registry is opened anew.

    Windows that are open on the old one keep it until they close; it goes with the rest at the end.
    """

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry = registry
        self._open: dict[str, _Open] = {}
        self._retired: list[_Open] = []

    def entry(self, name: str) -> Cluster:
        """What the registry says of a cluster now. Raises `NotFound` if it does not have it."""
        return self._registry().cluster(name)

    def client(self, name: str) -> ClusterClient:
        """The client of a cluster. Raises `NotFound` if the registry does not have it."""
        return self._opened(name).client

    def reflectors(self, name: str) -> Reflectors:
        """The shared reflectors of a cluster. Raises `NotFound` if the registry does not have it."""
        return self._opened(name).reflectors

    def reader(self, name: str) -> Reader:
        """What reads of a cluster beside its watches. Raises `NotFound` if the registry does not have it."""
        return self._opened(name).reader

    def _opened(self, name: str) -> _Open:
        entry = self.entry(name)
        known = self._open.get(name)
        if known is None or known.entry != entry:
            if known is not None:
                self._retired.append(known)
            client = ClusterClient(name, access_to(entry))
            known = self._open[name] = _Open(entry, client, Reflectors(client), Reader(client))
        return known

    async def close(self) -> None:
        """Stop every watch and close every connection."""
        await asyncio.gather(*(each.close() for each in (*self._retired, *self._open.values())))
        self._open.clear()
        self._retired.clear()
