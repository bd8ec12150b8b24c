"""Evidence of a run that never was, without a flaw: what the auditor itself is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from acceptance.harness.charts import chart_files
from acceptance.harness.ci import Answer, Order
from acceptance.harness.evidence import Committed, Evidence
from acceptance.harness.journeys import Connection, Journey, Told
from acceptance.harness.kept import Claim, Copy, Line, Tables
from acceptance.harness.landscape import Landscape
from acceptance.harness.leftovers import AUDITED, REFERENCES

from dag_common.contracts.envelope import GENESIS_HASH, Recorded, chained_hash, stream_of
from dag_common.contracts.events import DeploymentId

WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FIRST, SECOND = (f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2))
COMMITS = {FIRST: "1" * 40, SECOND: "2" * 40}
STEPS = (
    ("deployment.requested", "gateway", "pending"),
    ("validation.started", "pusher", "validating"),
    ("push.started", "pusher", "pushing"),
    ("chart.pushed", "pusher", "pushed"),
    ("monitoring.started", "monitor", "monitoring"),
    ("deployment.succeeded", "monitor", "deployed"),
)


def flawless() -> Evidence:
    """Two deployments to one environment, each requested, committed, watched and read to its end."""
    landscape = Landscape.of(environments=2, repositories=2)
    orders = (_order(FIRST), _order(SECOND))
    log = rechained([record for one in (FIRST, SECOND) for record in _records(one)])
    commits = [_commit(order, place, log) for place, order in enumerate(orders, start=1)]
    copies = {"pusher-1/mirrors/iac-0/0/0": Copy(frozenset(REFERENCES), frozenset(COMMITS))}
    return Evidence(landscape, orders, log, commits, frozenset({"0" * 40}), _tables(log), copies)


def rechained(records: Sequence[Recorded]) -> list[Recorded]:
    """The records with positions and hashes as if they had been appended in this order."""
    chained: list[Recorded] = []
    previous = GENESIS_HASH
    for position, record in enumerate(records, start=1):
        placed = msgspec.structs.replace(record, position=position)
        previous = chained_hash(previous, placed)
        chained.append(msgspec.structs.replace(placed, hash=previous))
    return chained


def changed(evidence: Evidence, position: int, **fields: Any) -> Evidence:
    """The evidence with one record changed, everything after it chained anew."""
    log = [msgspec.structs.replace(one, **fields) if one.position == position else one for one in evidence.log]
    return with_log(evidence, rechained(log))


def with_log(evidence: Evidence, log: Sequence[Recorded]) -> Evidence:
    """The evidence with another log, whose head is its last record."""
    return replace(evidence, log=log, tables=replace(evidence.tables, head=(log[-1].position, log[-1].hash)))


def _chart(deployment_id: str) -> str:
    return deployment_id[-1] * 64


def _tables(log: Sequence[Recorded]) -> Tables:
    """As they are when everything is over and the projector has caught up."""
    return Tables(
        names=frozenset(AUDITED),
        head=(log[-1].position, log[-1].hash),
        charts={_chart(one): _chart(one) for one in COMMITS},
        claims=[Claim(f"request {one}", one, f"request {one}") for one in COMMITS],
        lines=[Line(one, len(STEPS), "deployed") for one in COMMITS],
        cursors={"relay": len(log), "deployments": len(log)},
    )


def _order(deployment_id: str) -> Order:
    number = deployment_id[-1]
    told = [
        Told(1, "status", str(version), {"status": status, "message": status})
        for version, (_, _, status) in enumerate(STEPS, start=1)
    ]
    journey = Journey(deployment_id, told, [Connection("gateway", "", "closed")])
    answers = [Answer("gateway", 200, {"deploymentId": deployment_id})]
    return Order("env-00", f"1.0.{number}", chart_files(number), number, "token", answers, journeys=[journey])


def _records(deployment_id: str) -> list[Recorded]:
    facts: dict[str, dict[str, Any]] = {
        "deployment.requested": {
            "environment": "env-00",
            "job": {"id": deployment_id[-1]},
            "chart": {"sha256": _chart(deployment_id)},
        },
        "chart.pushed": {
            "commit": COMMITS[deployment_id],
            "unchanged": False,
            "chart_version": f"1.0.{deployment_id[-1]}",
        },
    }
    return [
        Recorded(
            position=0,
            event_id=f"{deployment_id[:-3]}{version}0{deployment_id[-1]}",
            stream=stream_of(DeploymentId(deployment_id)),
            version=version,
            type=type_name,
            schema=1,
            occurred_at=WHEN,
            recorded_at=WHEN,
            correlation_id=deployment_id,
            causation_id="",
            service=service,
            traceparent="",
            payload=msgspec.json.encode(facts.get(type_name, {})).decode(),
            hash="",
        )
        for version, (type_name, service, _) in enumerate(STEPS, start=1)
    ]


def _commit(order: Order, place: int, log: Sequence[Recorded]) -> Committed:
    request = next(record for record in log if record.deployment_id == order.deployment_id)
    trailers = {
        "Environment": order.environment,
        "IaC Target": "clusters/main/env-00/shop",
        "Deployment-Id": order.deployment_id,
        "Log-Position": str(request.position),
        "Log-Head": request.hash,
    }
    chart = order.files["Chart.yaml"].replace(b"version: 0.1.0", f"version: {order.version}".encode())
    files = {**order.files, "Chart.yaml": chart.replace(b'"0"', f'"{order.version}"'.encode())}
    return Committed(COMMITS[order.deployment_id], "iac-0", place, trailers, files)
