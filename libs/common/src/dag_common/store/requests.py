"""Which request became which deployment, so that a retried request does not deploy twice."""

from __future__ import annotations

from dataclasses import dataclass

from dag_common.contracts.events import DeploymentId
from dag_common.store.database import Connection
from dag_common.store.statements import statement


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a request key: the deployment, and the fingerprint of the request that claimed it."""

    deployment_id: DeploymentId
    fingerprint: str
    new: bool


async def claim(connection: Connection, key: str, deployment_id: DeploymentId, fingerprint: str = "") -> Claim:
    """Claim `key` for a deployment in the caller's transaction, or learn who claimed it before.

    A rival transaction with the same key is waited for, so exactly one of two equal requests is `new`.
    """
    row = await connection.fetchrow(statement("claim_request"), key, deployment_id, fingerprint)
    if row is not None:
        return Claim(deployment_id, fingerprint, new=True)
    row = await connection.fetchrow(statement("read_request"), key)
    assert row is not None, "a request key is never deleted"  # noqa: S101 - an invariant of the schema
    return Claim(DeploymentId(str(row["deployment_id"])), row["fingerprint"], new=False)
