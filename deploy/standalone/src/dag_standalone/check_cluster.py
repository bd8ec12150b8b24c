"""Whether a cluster takes DAG in and grants it its rights there, and what it shows of the registry's targets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import DagError, NotFound, Refused
from dag_common.registry.clusters import Cluster
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.entry import access_to
from dag_monitor.cluster.failures import UNAUTHORIZED
from dag_monitor.cluster.resources import PODS
from dag_monitor.cluster.rights import Right, Rights, needed, places_of
from dag_standalone.check_asking import AT_ONCE, Asking
from dag_standalone.check_findings import Finding, Question
from dag_standalone.check_rights import RightsCheck
from dag_standalone.check_targets import Sight, look

_ANY = Right("list", PODS, "default")


@dataclass(frozen=True, slots=True)
class ClusterCheck:
    """The rows of one cluster, and what was seen there of the targets; of none if it does not let us in."""

    rows: list[Finding]
    sights: Mapping[RolloutTarget, Sight] = field(default_factory=dict)


async def check_cluster(name: str, entry: Cluster, targets: Iterable[RolloutTarget], seconds: float) -> ClusterCheck:
    """Ask the cluster; what its entry refers to can be read."""
    mend = "correct its server, ca or kubeconfig in the registry, or bring it back; run the check where DAG runs"
    renew = "put a token there that the cluster takes: kubectl create token, or a Secret of the ServiceAccount"
    question = Question(f"cluster {name}", "answer", mend, seconds, {Refused: renew})
    try:
        client = ClusterClient(name, access_to(entry), at_once=AT_ONCE)
    except DagError as exc:
        return ClusterCheck([question.failed(exc.message)])
    async with aclosing(client):
        asking = Asking(client, seconds)
        rights = RightsCheck(asking, question.subject)
        first = await question.ask(_answers(client, rights))
        if not first.fine:
            return ClusterCheck([first])
        sights = await _look(asking, targets)
        return ClusterCheck([first, *await rights.rows(_needed(entry, sights))], sights)


async def _answers(client: ClusterClient, rights: RightsCheck) -> str:
    try:
        await client.may(_ANY)
    except NotFound:
        rights.by_trying = True
    except Refused as exc:
        if exc.reason == UNAUTHORIZED:
            raise
        rights.by_trying = True
    return "it answers and takes DAG's credentials"


async def _look(asking: Asking, targets: Iterable[RolloutTarget]) -> dict[RolloutTarget, Sight]:
    chosen = tuple(targets)
    return dict(zip(chosen, await asyncio.gather(*(look(asking, one) for one in chosen)), strict=True))


def _needed(entry: Cluster, sights: Mapping[RolloutTarget, Sight]) -> Rights:
    """Of all targets together; where their sources and workloads are was seen in the cluster."""
    rights: Rights = {}
    for target, sight in sights.items():
        wanted = needed(target, places_of(target, sight.objects), kick=entry.kick, logs=entry.logs)
        rights = wanted | rights
    return rights
