"""Whether a cluster takes DAG in, has the registry's targets, and grants the rights to watch them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import DagError, NotFound, Refused
from dag_common.registry.clusters import Cluster
from dag_monitor.cluster.client import ClusterClient
from dag_monitor.cluster.entry import access_to
from dag_monitor.cluster.failures import UNAUTHORIZED
from dag_monitor.cluster.resources import PODS
from dag_monitor.cluster.rights import Right, Rights, needed, places_of
from dag_standalone.check_findings import Finding, Question
from dag_standalone.check_rights import RightsCheck
from dag_standalone.check_targets import Sight, look

_ANY = Right("list", PODS, "default")
_LOOKS_AT_ONCE = 4


async def check_cluster(name: str, entry: Cluster, targets: Sequence[RolloutTarget], seconds: float) -> list[Finding]:
    """The rows of one cluster; what its entry refers to can be read."""
    mend = "correct its server, ca or kubeconfig in the registry, or bring it back; run the check where DAG runs"
    renew = "put a token there that the cluster takes: kubectl create token, or a Secret of the ServiceAccount"
    question = Question(f"cluster {name}", "answer", mend, seconds, {Refused: renew})
    try:
        client = ClusterClient(name, access_to(entry))
    except DagError as exc:
        return [question.failed(exc.message)]
    async with aclosing(client):
        rights = RightsCheck(client, question.subject, seconds)
        first = await question.ask(_answers(client, rights))
        if not first.fine:
            return [first]
        sights = await _look(client, targets, seconds)
        return [first, *(sight.finding for sight in sights), *await rights.rows(_needed(entry, targets, sights))]


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


async def _look(client: ClusterClient, targets: Sequence[RolloutTarget], seconds: float) -> list[Sight]:
    turns = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def one(target: RolloutTarget) -> Sight:
        async with turns:
            return await look(client, target, seconds)

    return await asyncio.gather(*(one(target) for target in targets))


def _needed(entry: Cluster, targets: Sequence[RolloutTarget], sights: Sequence[Sight]) -> Rights:
    """Of all targets together; where their sources and workloads are was seen in the cluster."""
    rights: Rights = {}
    for target, sight in zip(targets, sights, strict=True):
        wanted = needed(target, places_of(target, sight.objects), kick=entry.kick, logs=entry.logs)
        rights = wanted | rights
    return rights
