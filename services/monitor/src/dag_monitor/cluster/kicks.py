"""The only writes DAG makes to a cluster: the annotations that make a reconciler look now."""

from __future__ import annotations

from typing import Final

from dag_common.errors import Refused
from dag_monitor.cluster import resources
from dag_monitor.cluster.clusters import Clusters
from dag_monitor.cluster.failures import FORBIDDEN
from dag_monitor.cluster.resources import Resource
from dag_monitor.cluster.rights import Right
from dag_monitor.domain.kick import Kick
from dag_monitor.domain.wording import lacking

_BY_KIND: Final[dict[str, Resource]] = {
    resource.kind: resource for resource in (resources.GIT_REPOSITORIES, resources.APPLICATIONS)
}


class Kicks:
    """Kicks in the registry's clusters, where it does not say `kick: false`."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    async def kick(self, cluster: str, kick: Kick) -> bool:
        """Annotate the object; False if the registry forbids it. Raises what `ClusterClient.merge_patch` raises.

        A `Refused` for want of a right names the right.
        """
        if not self._clusters.entry(cluster).kick:
            return False
        resource, ref = _BY_KIND[kick.ref.kind], kick.ref
        try:
            await self._clusters.client(cluster).merge_patch(resource, ref.namespace, ref.name, kick.patch)
        except Refused as exc:
            if exc.reason == FORBIDDEN:
                raise Refused(FORBIDDEN, lacking((str(Right("patch", resource, ref.namespace)),))) from exc
            raise
        return True
