"""The auditor can fail: for each invariant, evidence that breaks it and nothing else is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from acceptance.harness import invariants
from acceptance.harness.auditor import violations
from acceptance.harness.ci import Answer
from acceptance.harness.evidence import Committed, Evidence
from acceptance.harness.fabricated import FIRST, SECOND, changed, flawless, rechained, with_log
from acceptance.harness.journeys import Journey
from acceptance.harness.kept import Claim, Copy, Line

Break = Callable[[Evidence], Evidence]


def test_evidence_without_a_flaw_is_found_to_have_none() -> None:
    assert violations(flawless()) == []


def ordered(evidence: Evidence, **fields: Any) -> Evidence:
    """The first order is another."""
    first, second = evidence.orders
    return replace(evidence, orders=(replace(first, **fields), second))


def told(evidence: Evidence, change: Callable[[Journey], Any]) -> Evidence:
    """The first order's reader saw something else."""
    change(evidence.orders[0].journeys[0])
    return evidence


def committed(evidence: Evidence, **fields: Any) -> Evidence:
    """The first commit is another; `trailers` are changed, not replaced."""
    first, second = evidence.commits
    trailers = {**first.trailers, **fields.pop("trailers", {})}
    return replace(evidence, commits=[replace(first, trailers=trailers, **fields), second])


def with_file(commit: Committed, path: str, content: bytes) -> dict[str, bytes]:
    return {**commit.files, path: content}


def without_last(evidence: Evidence) -> Evidence:
    """The second deployment never ended, and nobody was told that it did."""
    del evidence.orders[1].journeys[:]
    return replace(evidence, log=evidence.log[:-1])


def ended_twice(evidence: Evidence) -> Evidence:
    del evidence.orders[1].journeys[:]
    end = evidence.log[-1]
    log = [*evidence.log, type(end)(**{f: getattr(end, f) for f in end.__struct_fields__} | {"version": 7})]
    return replace(evidence, log=rechained(log))


def pushed_by_nobody(evidence: Evidence) -> Evidence:
    return replace(evidence, commits=[], foreign=frozenset({commit.id for commit in evidence.commits}))


def tables(evidence: Evidence, **fields: Any) -> Evidence:
    """Some of the tables hold something else."""
    return replace(evidence, tables=replace(evidence.tables, **fields))


def copied(evidence: Evidence, *, references: str = "", named: str = "") -> Evidence:
    """A local copy holds more."""
    ((where, copy),) = evidence.copies.items()
    more = Copy(copy.references | set(filter(None, [references])), copy.named | set(filter(None, [named])))
    return replace(evidence, copies={where: more})


def under_way(evidence: Evidence, *, steps: int) -> Evidence:
    """The second deployment has come no further, and nobody was promised that it would; the list for people is late."""
    first, second = evidence.orders
    second = replace(second, answers=[Answer("gateway", 503, {})], journeys=[])
    evidence = replace(evidence, orders=(first, second), commits=evidence.commits[: 1 if steps < 4 else 2])
    late = {
        "cursors": {"deployments": 6},
        "lines": [line for line in evidence.tables.lines if line.deployment_id == FIRST],
    }
    return tables(with_log(evidence, evidence.log[: 6 + steps]), **late)


def swapped(evidence: Evidence) -> Evidence:
    first, second = evidence.commits
    return replace(evidence, commits=[replace(first, place=2), replace(second, place=1)])


def extra_commit(evidence: Evidence) -> Evidence:
    first = evidence.commits[0]
    again = replace(first, id="3" * 40, place=9, trailers={**first.trailers, "Log-Position": "7"})
    return replace(evidence, commits=[*evidence.commits, again])


def unknown_commit(evidence: Evidence) -> Evidence:
    first = evidence.commits[0]
    stranger = {**first.trailers, "Deployment-Id": "nobody", "Log-Position": "8"}
    return replace(evidence, commits=[*evidence.commits, replace(first, id="3" * 40, place=9, trailers=stranger)])


def second_id(evidence: Evidence) -> Evidence:
    evidence.orders[0].answers.append(Answer("gateway", 200, {"deploymentId": SECOND}))
    return evidence


def told_in_two_ways(evidence: Evidence) -> Evidence:
    order = evidence.orders[0]
    journey = order.journeys[0]
    others = [replace(journey.told[0], data={"status": "pending", "message": "other words"}), *journey.told[1:]]
    order.journeys.append(Journey(journey.deployment_id, others, journey.connections))
    return evidence


ACCEPTED = "every_accepted_deployment_ended"
READERS = "every_reader_saw_everything_once"
CASES: list[tuple[str, Break]] = [
    (ACCEPTED, without_last),
    (ACCEPTED, lambda e: ordered(e, answers=[Answer("g", 200, {"deploymentId": "lost"})], journeys=[])),
    ("a_request_has_one_id", second_id),
    ("a_request_has_one_id", lambda e: replace(e, orders=[e.orders[0], *e.orders])),
    ("nothing_but_what_was_asked", lambda e: ordered(e, job_id="another")),
    ("nothing_but_what_was_asked", lambda e: ordered(e, answers=[Answer("g", 401, {})])),
    ("nothing_but_what_was_asked", lambda e: ordered(e, answers=[Answer("g", 0, {}), Answer("g", 400, {})])),
    ("positions_are_gapless", lambda e: replace(e, log=[*e.log[:3], *e.log[4:]])),
    ("the_hash_chain_holds", lambda e: replace(e, log=[*e.log[:-1], changed(e, 1, service="x").log[-1]])),
    ("each_type_has_its_writer", lambda e: changed(e, 12, service="gateway")),
    ("nothing_follows_an_end", ended_twice),
    ("a_cancel_is_answered_truly", lambda e: ordered(e, cancels=[Answer("gateway", 200, {})])),
    *(
        ("a_cancel_is_answered_truly", lambda e, status=status: ordered(e, cancels=[Answer("gateway", status, {})]))
        for status in (401, 404, 500)
    ),
    ("pushed_means_one_commit", pushed_by_nobody),
    ("pushed_means_one_commit", extra_commit),
    ("every_commit_was_asked_for", unknown_commit),
    ("every_commit_was_asked_for", lambda e: committed(e, repository="iac-1")),
    ("commits_are_in_order", swapped),
    ("git_witnesses_the_log", lambda e: committed(e, trailers={"Log-Head": "ab" * 32})),
    ("git_witnesses_the_log", lambda e: changed(e, 1, traceparent="rewritten")),
    ("git_holds_what_was_sent", lambda e: committed(e, files=with_file(e.commits[0], "values.yaml", b"{}"))),
    ("git_holds_what_was_sent", lambda e: committed(e, files=with_file(e.commits[0], "left.txt", b""))),
    ("git_holds_what_was_sent", lambda e: committed(e, files=with_file(e.commits[0], "Chart.yaml", b"name: x"))),
    (READERS, lambda e: told(e, lambda journey: journey.told.pop(2))),
    (READERS, lambda e: told(e, lambda journey: journey.told.insert(2, journey.told[1]))),
    (READERS, lambda e: told(e, lambda journey: journey.told.pop())),
    (READERS, lambda e: told(e, lambda journey: journey.told.clear())),
    (READERS, lambda e: told(e, lambda journey: setattr(journey.connections[-1], "ending", "broken"))),
    (READERS, lambda e: told(e, lambda journey: journey.told[0].data.update(more="than promised"))),
    (READERS, lambda e: told(e, lambda journey: journey.told[4].data.update(status="pending"))),
    ("readers_saw_the_same", told_in_two_ways),
]

STRANGER = "00000000-0000-7000-8000-00000000000f"
CHARTS = "charts_are_those_that_were_asked_for"
CLAIMS = "each_deployment_holds_its_claim"
LISTS = "lists_hold_what_is_still_to_be_done"
LINES = "the_list_for_people_follows_the_log"
HEADS = "nothing_stands_beyond_the_log"
COPIES = "local_copies_hold_nothing_that_was_refused"
LEFT: list[tuple[str, Break]] = [
    ("every_table_is_looked_at", lambda e: tables(e, names=e.tables.names | {"drafts"})),
    (CHARTS, lambda e: tables(e, charts={**e.tables.charts, "f" * 64: "f" * 64})),
    (CHARTS, lambda e: tables(e, charts=dict([*e.tables.charts.items()][1:]))),
    (CHARTS, lambda e: tables(e, charts=dict.fromkeys(e.tables.charts, "1" * 64))),
    (CLAIMS, lambda e: tables(e, claims=[*e.tables.claims, Claim("request", STRANGER, "request")])),
    (CLAIMS, lambda e: tables(e, claims=[*e.tables.claims, Claim("token", STRANGER, f"request {FIRST}")])),
    (CLAIMS, lambda e: tables(e, claims=[*e.tables.claims, Claim("another", FIRST, "another")])),
    (CLAIMS, lambda e: tables(e, claims=e.tables.claims[1:])),
    (LISTS, lambda e: tables(e, to_push={STRANGER: 1})),
    (LISTS, lambda e: tables(e, to_push={FIRST: 1})),
    (LISTS, lambda e: tables(e, to_watch={STRANGER: 4})),
    (LISTS, lambda e: tables(e, to_watch={FIRST: 4})),
    (LISTS, lambda e: under_way(e, steps=3)),
    (LISTS, lambda e: tables(under_way(e, steps=3), to_push={SECOND: 8})),
    (LISTS, lambda e: tables(under_way(e, steps=4), to_push={SECOND: 7})),
    (LINES, lambda e: tables(e, lines=[*e.tables.lines, Line(STRANGER, 1, "pending")])),
    (LINES, lambda e: tables(e, lines=e.tables.lines[1:])),
    (LINES, lambda e: tables(e, lines=[replace(line, status="failed") for line in e.tables.lines])),
    (HEADS, lambda e: tables(e, head=(e.tables.head[0] + 1, e.tables.head[1]))),
    (HEADS, lambda e: tables(e, cursors={"relay": 13})),
    (COPIES, lambda e: copied(e, named=STRANGER)),
    (COPIES, lambda e: copied(e, references="refs/heads/main")),
]
"""What a refused request, or one that is over, may have left behind."""


@pytest.mark.parametrize(("invariant", "broken"), CASES, ids=[name for name, _ in CASES])
def test_what_breaks_an_invariant_is_found_by_it(invariant: str, broken: Break) -> None:
    found = {violation.partition(":")[0] for violation in violations(broken(flawless()))}
    assert invariant in found


@pytest.mark.parametrize(("invariant", "broken"), LEFT, ids=[name for name, _ in LEFT])
def test_what_is_left_behind_is_found_by_its_invariant_alone(invariant: str, broken: Break) -> None:
    found = {violation.partition(":")[0] for violation in violations(broken(flawless()))}
    assert found == {invariant}


@pytest.mark.parametrize(
    "right",
    [
        lambda e: tables(under_way(e, steps=3), to_push={SECOND: 7}),
        lambda e: tables(under_way(e, steps=4), to_watch={SECOND: 10}),
        lambda e: tables(e, claims=[*e.tables.claims, Claim("a key of CI's own", FIRST, f"request {FIRST}")]),
        lambda e: tables(e, lines=[Line(SECOND, 4, "pushed")], cursors={"deployments": 0}),
        lambda e: ordered(e, cancels=[Answer("g", status, {}) for status in (0, 503, 202, 409)]),
    ],
    ids=[
        "still to be pushed",
        "still to be watched",
        "claimed by a second key",
        "a list that is late",
        "a cancel too late",
    ],
)
def test_what_is_kept_rightly_is_found_right(right: Break) -> None:
    assert violations(right(flawless())) == []


def test_every_invariant_has_evidence_that_breaks_it() -> None:
    assert {name for name, _ in CASES + LEFT} == {check.__name__ for check in invariants.ALL}
