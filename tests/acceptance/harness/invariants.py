"""What must be true after every run, whatever was broken. Each function returns what it found wrong, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from acceptance.harness import leftovers
from acceptance.harness.evidence import TERMINAL, Evidence, payload
from acceptance.harness.journeys import Journey

from dag_common.contracts.envelope import GENESIS_HASH, chained_hash
from dag_common.contracts.events import WRITERS

Invariant = Callable[[Evidence], Iterator[str]]

ENDINGS = {"deployment.succeeded": "deployed", "deployment.failed": "failed"}
ORDER = ("pending", "validating", "pushing", "pushed", "monitoring", "deployed", "failed")
UNKNOWN_OUTCOME = (0, 500, 502, 503, 504)
CANCEL_ANSWERS = (200, 202, 409, 503, 0)
"""Cancelled, being cancelled, too late; nobody can tell now, and no answer at all. Anything else is an error of DAG."""


def every_accepted_deployment_ended(evidence: Evidence) -> Iterator[str]:
    """A 200 is a promise: its stream is there, and it is terminal."""
    for deployment_id in evidence.order_of:
        stream = evidence.streams.get(deployment_id, [])
        if not stream:
            yield f"{deployment_id} was accepted and is not in the log"
        elif stream[-1].type not in TERMINAL:
            yield f"{deployment_id} was accepted and stands at {stream[-1].type}"


def a_request_has_one_id(evidence: Evidence) -> Iterator[str]:
    """However often it was sent; and no two requests share one."""
    for order in evidence.orders:
        ids = {answer.deployment_id for answer in order.answers if answer.status == 200}
        if len(ids) > 1:
            yield f"job {order.job_id} was given several ids: {sorted(ids)}"
    shared = Counter(order.deployment_id for order in evidence.orders if order.deployment_id)
    yield from (f"{times} jobs were given the id {one}" for one, times in shared.items() if times > 1)


def nothing_but_what_was_asked(evidence: Evidence) -> Iterator[str]:
    """Each deployment in the log was asked for, once, by an order that was not refused.

    An order always sends the same. So one that was refused in the end was not taken before either, whatever became of
    its first answers.
    """
    orders = {order.job_id: order for order in evidence.orders}
    jobs: Counter[str] = Counter()
    for deployment_id in evidence.streams:
        job = str((evidence.fact(deployment_id, "deployment.requested") or {}).get("job", {}).get("id"))
        jobs[job] += 1
        order = orders.get(job)
        if order is None:
            yield f"{deployment_id} is in the log and no job asked for it"
        elif not order.deployment_id and order.answers[-1].status not in UNKNOWN_OUTCOME:
            yield f"{deployment_id} is in the log although its request was refused"
    yield from (f"job {job} led to {times} deployments" for job, times in jobs.items() if times > 1)


def positions_are_gapless(evidence: Evidence) -> Iterator[str]:
    """From 1, in the whole log; versions likewise in every stream."""
    if [record.position for record in evidence.log] != list(range(1, len(evidence.log) + 1)):
        yield "the positions of the log are not 1, 2, 3 and so on"
    for deployment_id, stream in evidence.streams.items():
        if [record.version for record in stream] != list(range(1, len(stream) + 1)):
            yield f"the versions of {deployment_id} are not 1, 2, 3 and so on"


def the_hash_chain_holds(evidence: Evidence) -> Iterator[str]:
    """Each record's hash covers it and everything before it."""
    previous = GENESIS_HASH
    for record in evidence.log:
        if record.hash != chained_hash(previous, record):
            yield f"the hash of position {record.position} does not follow from the record before"
        previous = record.hash


def each_type_has_its_writer(evidence: Evidence) -> Iterator[str]:
    """No service writes another's facts."""
    for record in evidence.log:
        if record.service not in WRITERS.get(record.type, ()):
            yield f"{record.service} wrote {record.type} at position {record.position}"


def nothing_follows_an_end(evidence: Evidence) -> Iterator[str]:
    """Terminal is terminal: one end a stream, and it is the last record."""
    for deployment_id, stream in evidence.streams.items():
        ends = [record.version for record in stream if record.type in TERMINAL]
        if ends and ends != [stream[-1].version]:
            yield f"{deployment_id} ended at version {ends[0]} and went on to {stream[-1].version}"


def a_cancel_is_answered_truly(evidence: Evidence) -> Iterator[str]:
    """Who was told that it was cancelled finds it cancelled; who was told that it was too late finds another end.

    Whoever may cancel and asks often enough is told one of these, and never that DAG failed.
    """
    for order in evidence.orders:
        failure = evidence.fact(order.deployment_id, "deployment.failed") or {}
        for answer in order.cancels:
            if answer.status not in CANCEL_ANSWERS:
                yield f"cancelling {order.deployment_id} was answered with {answer.status}: {answer.body}"
            if answer.status in (200, 409) and (answer.status == 200) != (failure.get("reason") == "cancelled"):
                yield f"cancelling {order.deployment_id} was answered with {answer.status}, and it ended {failure}"


def pushed_means_one_commit(evidence: Evidence) -> Iterator[str]:
    """Exactly one commit with the deployment's id, the one that was told of; none if the chart was already there."""
    known = {commit.id for commit in evidence.commits} | evidence.foreign
    for deployment_id, stream in evidence.streams.items():
        pushes = [payload(record) for record in stream if record.type == "chart.pushed"]
        commits = [commit.id for commit in evidence.commits_of.get(deployment_id, [])]
        if len(pushes) > 1:
            yield f"{deployment_id} was pushed {len(pushes)} times"
        expected = [push["commit"] for push in pushes if not push["unchanged"]]
        if commits != expected:
            yield f"{deployment_id} should have the commits {expected} and has {commits}"
        yield from (f"{deployment_id} tells of {push['commit']}, which is nowhere" for push in pushes
                    if push["commit"] not in known)  # fmt: skip


def every_commit_was_asked_for(evidence: Evidence) -> Iterator[str]:
    """A commit that names a deployment names one of the log, and stands where that deployment belongs."""
    for commit in evidence.commits:
        request = evidence.fact(commit.deployment_id, "deployment.requested")
        if request is None:
            yield f"commit {commit.id} names {commit.deployment_id}, which is not in the log"
            continue
        place = evidence.landscape.place(request["environment"])
        if (commit.repository, commit.trailers.get("IaC Target")) != (place.repository, place.path):
            yield f"commit {commit.id} is for {place.environment} and stands in {commit.repository}"


def commits_are_in_order(evidence: Evidence) -> Iterator[str]:
    """The commits of one environment stand in the order of their requests' positions."""
    last: dict[str, int] = {}
    for commit in sorted(evidence.commits, key=lambda one: (one.repository, one.place)):
        environment = commit.trailers.get("Environment", "")
        position = int(commit.trailers.get("Log-Position", 0))
        if position <= last.get(environment, 0):
            yield f"commit {commit.id} of {environment}, position {position}, comes after position {last[environment]}"
        last[environment] = max(position, last.get(environment, 0))


def git_witnesses_the_log(evidence: Evidence) -> Iterator[str]:
    """The position and hash in a commit's trailers are those of its request in the log."""
    hashes = {record.position: record for record in evidence.log}
    for commit in evidence.commits:
        record = hashes.get(int(commit.trailers.get("Log-Position", 0)))
        if record is None or record.hash != commit.trailers.get("Log-Head"):
            yield f"commit {commit.id} names a head the log never had"
        elif (record.deployment_id, record.type) != (commit.deployment_id, "deployment.requested"):
            yield f"commit {commit.id} names the position of something else"


def git_holds_what_was_sent(evidence: Evidence) -> Iterator[str]:
    """Byte for byte, but for the versions in Chart.yaml."""
    for commit in evidence.commits:
        order = evidence.order_of.get(commit.deployment_id)
        if order is None:
            continue
        sent = {path: content for path, content in order.files.items() if path != "Chart.yaml"}
        held = {path: content for path, content in commit.files.items() if path != "Chart.yaml"}
        if sent != held:
            yield f"commit {commit.id} holds other files than job {order.job_id} sent"
        version = (evidence.fact(commit.deployment_id, "chart.pushed") or {}).get("chart_version", "")
        expected = stamped(order.files["Chart.yaml"], version, order.version)
        if _lines(commit.files.get("Chart.yaml", b"")) != expected:
            yield f"the Chart.yaml of commit {commit.id} is not the one job {order.job_id} sent, stamped {version}"


def stamped(chart_yaml: bytes, version: str, app_version: str) -> list[Any]:
    """The lines of a Chart.yaml with other versions; every other line as it was."""
    new = {"version": version, "appVersion": app_version}
    return [{name: new[name]} if name in new else line for line in _lines(chart_yaml) for name in [_name(line)]]


def _lines(chart_yaml: bytes) -> list[Any]:
    """The lines as they are; those with a version as YAML reads them, since quotes may differ."""
    lines = chart_yaml.decode().splitlines()
    return [yaml.safe_load(line) if line.startswith(("version:", "appVersion:")) else line for line in lines]


def _name(line: Any) -> str:
    return next(iter(line)) if isinstance(line, dict) else ""


def every_reader_saw_everything_once(evidence: Evidence) -> Iterator[str]:
    """From the first status it was told on, a reader saw each version once, in order, to the end that is in the log."""
    for journey in (journey for order in evidence.orders for journey in order.journeys):
        versions = [int(told.id) for told in journey.statuses]
        if versions != list(range(versions[0], versions[0] + len(versions)) if versions else []):
            yield f"a reader of {journey.deployment_id} saw the versions {versions}"
        stream = evidence.streams.get(journey.deployment_id, [])
        end = (stream[-1].version, ENDINGS.get(stream[-1].type)) if stream else None
        if not versions or (versions[-1], journey.status) != end:
            yield f"a reader of {journey.deployment_id} was left with {journey.status or 'nothing'}, the log has {end}"
        yield from _steps(journey)


def _steps(journey: Journey) -> Iterator[str]:
    """Statuses only move forward, and a stream that said the end is closed."""
    ranks = [ORDER.index(told.data["status"]) for told in journey.statuses]
    if ranks != sorted(ranks):
        yield f"a reader of {journey.deployment_id} saw a status move back: {[ORDER[rank] for rank in ranks]}"
    if any(set(told.data) != {"status", "message"} for told in journey.statuses):
        yield f"a reader of {journey.deployment_id} was told more in a status than status and message"
    if journey.ended and journey.connections[-1].ending != "closed":
        yield f"the stream of {journey.deployment_id} told the end and was {journey.connections[-1].ending}"


def readers_saw_the_same(evidence: Evidence) -> Iterator[str]:
    """Who reads the same version, at whichever gateway, reads the same words."""
    words: dict[tuple[str, str], Any] = {}
    for journey in (journey for order in evidence.orders for journey in order.journeys):
        for told in journey.statuses:
            if words.setdefault((journey.deployment_id, told.id), told.data) != told.data:
                yield f"version {told.id} of {journey.deployment_id} was told in two ways"


ALL: tuple[Invariant, ...] = (
    every_accepted_deployment_ended,
    a_request_has_one_id,
    nothing_but_what_was_asked,
    positions_are_gapless,
    the_hash_chain_holds,
    each_type_has_its_writer,
    nothing_follows_an_end,
    a_cancel_is_answered_truly,
    pushed_means_one_commit,
    every_commit_was_asked_for,
    commits_are_in_order,
    git_witnesses_the_log,
    git_holds_what_was_sent,
    every_reader_saw_everything_once,
    readers_saw_the_same,
    *leftovers.ALL,
)
