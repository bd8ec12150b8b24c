"""What must not be left anywhere, beside git and the log: everything kept belongs to a deployment of the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from acceptance.harness.evidence import TERMINAL, Evidence
from acceptance.harness.kept import Claim

from dag_common.contracts.envelope import GENESIS_HASH, Recorded

AUDITED = {"events", "log_head", "charts", "requests", "push_todo", "watch_todo", "deployments", "checkpoints"}
"""The tables somebody looks at here or in `invariants`."""

NEVER_LEFT_BY_REQUESTS = {"migrations"}
REFERENCES = {"refs/dag/tip", "refs/dag/fork", "refs/dag/push"}
STATUSES = {
    "deployment.requested": "pending",
    "validation.started": "validating",
    "push.started": "pushing",
    "chart.pushed": "pushed",
    "monitoring.started": "monitoring",
    "deployment.succeeded": "deployed",
    "deployment.failed": "failed",
}


def every_table_is_looked_at(evidence: Evidence) -> Iterator[str]:
    """A new table needs an invariant, or a place among those that no request can leave anything in."""
    unknown = evidence.tables.names - AUDITED - NEVER_LEFT_BY_REQUESTS
    yield from (f"nobody looks at what is left in the table {name}" for name in sorted(unknown))


def charts_are_those_that_were_asked_for(evidence: Evidence) -> Iterator[str]:
    """Each stored chart is a deployment's of the log, each deployment's chart is stored, and is what its name says."""
    asked = {str(request["chart"]["sha256"]) for request in evidence.requests.values()}
    stored = evidence.tables.charts
    yield from (f"chart {name} is stored, and no deployment is of it" for name in sorted(stored.keys() - asked))
    yield from (f"chart {name} was asked for and is not stored" for name in sorted(asked - stored.keys()))
    yield from (f"chart {name} is stored as {content}" for name, content in stored.items() if name != content)


def each_deployment_holds_its_claim(evidence: Evidence) -> Iterator[str]:
    """Each deployment of the log has claimed its request once, and every claim is of one of them."""
    claimed: dict[str, Claim] = {}
    for claim in evidence.tables.claims:
        if claim.deployment_id not in evidence.streams:
            yield f"the request {claim.key} is claimed for {claim.deployment_id}, which is not in the log"
        elif claim.key == claim.fingerprint and claimed.setdefault(claim.deployment_id, claim) is not claim:
            yield f"{claim.deployment_id} claims two requests"
    yield from (f"{one} is in the log and claims no request" for one in evidence.streams if one not in claimed)


def lists_hold_what_is_still_to_be_done(evidence: Evidence) -> Iterator[str]:
    """To be pushed: requested, neither pushed nor ended. To be watched: pushed and not ended. Nothing else."""
    to_push, to_watch = {}, {}
    for deployment_id, stream in evidence.streams.items():
        positions = {record.type: record.position for record in stream}
        if positions.keys().isdisjoint(TERMINAL):
            waits, where = (to_watch, "chart.pushed") if "chart.pushed" in positions else (to_push, stream[0].type)
            waits[deployment_id] = positions[where]
    if evidence.tables.to_push != to_push:
        yield f"still to be pushed is {to_push}, and the list holds {dict(evidence.tables.to_push)}"
    if evidence.tables.to_watch != to_watch:
        yield f"still to be watched is {to_watch}, and the list holds {dict(evidence.tables.to_watch)}"


def the_list_for_people_follows_the_log(evidence: Evidence) -> Iterator[str]:
    """It may be late: each line is true as of its version, and nothing that its cursor has passed is missing."""
    passed = evidence.tables.cursors.get("deployments", 0)
    due = {one for one, stream in evidence.streams.items() if stream[0].position <= passed}
    lines = {line.deployment_id: line for line in evidence.tables.lines}
    yield from (f"{one} is not in the list of deployments" for one in sorted(due - lines.keys()))
    for line in lines.values():
        told = _status(evidence.streams.get(line.deployment_id, []), line.version)
        if told != line.status:
            yield f"the list shows {line.deployment_id} as {line.status}, the log has {told or 'nothing'}"


def _status(stream: Sequence[Recorded], version: int) -> str:
    """As of a version of the stream; an event that moves no status leaves it as it was."""
    statuses = [STATUSES[record.type] for record in stream if record.version <= version and record.type in STATUSES]
    return statuses[-1] if statuses else ""


def nothing_stands_beyond_the_log(evidence: Evidence) -> Iterator[str]:
    """The head is the last record, and no cursor is ahead of it."""
    last = (evidence.log[-1].position, evidence.log[-1].hash) if evidence.log else (0, GENESIS_HASH)
    if evidence.tables.head != last:
        yield f"the log ends with {last}, and its head says {evidence.tables.head}"
    ahead = {name: position for name, position in evidence.tables.cursors.items() if position > last[0]}
    yield from (f"the cursor {name} stands at {position}, beyond the log" for name, position in ahead.items())


def local_copies_hold_nothing_that_was_refused(evidence: Evidence) -> Iterator[str]:
    """No commit in a local copy, arrived or not, names a deployment that is not in the log; no reference is left."""
    for where, copy in evidence.copies.items():
        yield from (f"the copy {where} has the reference {name}" for name in sorted(copy.references - REFERENCES))
        strangers = copy.named - evidence.streams.keys()
        yield from (f"the copy {where} holds a commit for {one}, which is not in the log" for one in sorted(strangers))


ALL = (
    every_table_is_looked_at,
    charts_are_those_that_were_asked_for,
    each_deployment_holds_its_claim,
    lists_hold_what_is_still_to_be_done,
    the_list_for_people_follows_the_log,
    nothing_stands_beyond_the_log,
    local_copies_hold_nothing_that_was_refused,
)
