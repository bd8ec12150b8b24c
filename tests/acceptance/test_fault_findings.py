"""The fault suite can fail: ends that nothing called for and errors that nobody foresaw are found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from acceptance.faults.ends import unfounded
from acceptance.faults.git_host import REJECTION
from acceptance.faults.said import FORESEEN, unforeseen
from acceptance.harness.ci import Answer
from acceptance.harness.evidence import Evidence
from acceptance.harness.fabricated import FIRST, SECOND, changed, flawless
from acceptance.harness.landscape import Landscape

END_OF = {FIRST: 6, SECOND: 12}
SECOND_ANNOUNCED, SECOND_PUSHED = 9, 10
ALWAYS = [range(1, 100)]


def failed(deployment_id: str, reason: str, message: str = "") -> Evidence:
    """A deployment of the flawless evidence ended so."""
    payload = msgspec.json.encode({"stage": "pushing", "reason": reason, "message": message}).decode()
    return changed(flawless(), END_OF[deployment_id], type="deployment.failed", payload=payload)


def gave_way(*, to: str, supersedes: bool = True) -> Evidence:
    """The first deployment was never pushed."""
    evidence = failed(FIRST, "superseded", f"Superseded by the newer deployment {to}")
    landscape = Landscape.of(environments=2, repositories=2, superseding=2 if supersedes else 0)
    return replace(changed(evidence, 4, type="validation.started"), landscape=landscape)


def cancelled() -> Evidence:
    """The second deployment was, and somebody had asked for it."""
    first, second = flawless().orders
    asked = replace(second, cancels=[Answer("gateway", 200, {})])
    return replace(failed(SECOND, "cancelled"), orders=(first, asked))


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (failed(SECOND, "internal_error"), "ended as none should"),
        (failed(SECOND, "rejected", "The git host rejected the push: no room"), "not in the hook's words"),
        (failed(SECOND, "superseded"), "nothing newer was pushed"),
        (failed(SECOND, "superseded"), "is the newest of env-00, and superseded"),
        (changed(failed(FIRST, "superseded"), SECOND_PUSHED, type="push.started"), "nothing newer was pushed"),
        (gave_way(to=SECOND, supersedes=False), "to nothing newer"),
        (gave_way(to=FIRST), "to nothing newer"),
        (failed(SECOND, "cancelled"), "nobody asked for it"),
    ],
)
def test_an_end_that_nothing_called_for_is_found(evidence: Evidence, words: str) -> None:
    assert any(words in found for found in unfounded(evidence, ALWAYS)), unfounded(evidence, ALWAYS)


@pytest.mark.parametrize(
    "hours", [[], [range(1, SECOND_ANNOUNCED)], [range(END_OF[SECOND] + 1, 99)], [range(1, 3), range(20, 99)]]
)
def test_a_rejection_while_the_hook_was_off_is_found(hours: list[range]) -> None:
    (found,) = unfounded(failed(SECOND, "rejected", REJECTION), hours)
    assert "the hook was on at" in found


@pytest.mark.parametrize(
    "evidence",
    [
        flawless(),
        failed(SECOND, "rejected", f"The git host rejected the push: {REJECTION}"),
        failed(FIRST, "superseded"),
        gave_way(to=SECOND),
        cancelled(),
    ],
    ids=["deployed", "rejected", "overtaken", "gave way", "cancelled"],
)
def test_an_end_that_was_called_for_is_none(evidence: Evidence) -> None:
    assert unfounded(evidence, [range(SECOND_ANNOUNCED, END_OF[SECOND])]) == []


def test_errors_nobody_foresaw_are_found_in_the_logs(tmp_path: Path) -> None:
    lines = [
        "--- pusher-1 is started",
        json.dumps({"event": "chart_pushed", "level": "info"}),
        json.dumps({"event": "lane_postponed", "level": "warning", "reason": "Traceback is only a word here"}),
        json.dumps({"event": f"Task exception was never retrieved, {next(iter(FORESEEN))}", "level": "error"}),
        json.dumps({"event": "Got frame for closed channel 2", "level": "error"}),
        json.dumps({"event": "start_failed", "level": "error", "reason": "the log's database cannot be asked"}),
        json.dumps({"event": "start_failed", "level": "error", "reason": "the registry cannot be read"}),
        json.dumps({"event": "Task exception was never retrieved, coro=<drain()>", "level": "error"}),
        json.dumps({"event": "batch_failed", "level": "error"}),
        "Traceback (most recent call last):",
    ]
    (tmp_path / "pusher-1.log").write_text("\n".join(lines))
    (tmp_path / "gateway-1.log").write_text("--- gateway-1 is started\n")
    assert unforeseen(tmp_path) == [f"pusher-1: {line}" for line in lines[6:]]
