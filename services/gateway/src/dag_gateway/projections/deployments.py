"""The table `dag.deployments`: one line a deployment, as the list shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import DeploymentId, DeploymentRequested
from dag_common.domain.deployment import Deployment, evolve
from dag_common.domain.statuses import Status
from dag_common.store.database import Connection


class DeploymentsProjection:
    """Applies records in the order of the log; records applied before change nothing."""

    name = "deployments"

    async def apply(self, connection: Connection, records: Sequence[Recorded]) -> None:
        """Write what these records say; raises `Unreadable` for one of a newer version of DAG."""
        latest = _latest(records)
        requested = [_line(state, record) for state, record in latest.values() if state.requested is not None]
        await connection.executemany(_sql("insert"), requested)
        await connection.executemany(_sql("update"), [_change(state, record) for state, record in latest.values()])

    async def reset(self, connection: Connection) -> None:
        """Empty the table, before it is built anew."""
        await connection.execute(_sql("clear"))


_Told = tuple[Deployment, Recorded]


def _latest(records: Iterable[Recorded]) -> dict[DeploymentId, _Told]:
    """Each deployment as these records alone tell it, with the last of them that changed it.

    The message depends on the last event only, the status on the last that moves it; what came before this batch is
    in the table.
    """
    latest: dict[DeploymentId, _Told] = {}
    for record in records:
        before = latest[record.deployment_id][0] if record.deployment_id in latest else _unknown(record)
        if not before.ended:
            latest[record.deployment_id] = (evolve(before, record), record)
    return latest


def _unknown(record: Recorded) -> Deployment:
    return Deployment(id=record.deployment_id, version=record.version - 1)


def _line(state: Deployment, record: Recorded) -> tuple[object, ...]:
    request = _requested(state)
    texts = (request.app, request.environment, request.version, request.branch, request.commit)
    return (
        state.id,
        *map(_text, (*texts, request.requested_by.user, state.status, state.message)),
        record.version,
        state.requested_position,
        state.requested_at,
        record.recorded_at,
    )


def _change(state: Deployment, record: Recorded) -> tuple[object, ...]:
    return (state.id, _status(state), _text(state.message), record.version, record.recorded_at)


def _status(state: Deployment) -> str | None:
    """None: not one of these records moved it (nothing but a request makes a deployment pending)."""
    return None if state.status is Status.PENDING and state.requested is None else str(state.status)


def _requested(state: Deployment) -> DeploymentRequested:
    assert state.requested is not None  # noqa: S101 - asked before
    return state.requested


def _text(value: str) -> str:
    """Postgres text holds no NUL; messages quote servers and may."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


@cache
def _sql(name: str) -> str:
    return resources.files(__package__).joinpath("sql", f"deployments_{name}.sql").read_text(encoding="utf-8")
