"""The small parts of the sandbox's Flux: how a chart chooses its fate, Go durations, Helm's history."""

from __future__ import annotations

from typing import Any

import pytest

from dag_common.errors import Invalid
from dag_sandbox.reconcilers import helm_history
from dag_sandbox.reconcilers.durations import seconds, written
from dag_sandbox.reconcilers.outcomes import OUTCOMES, Outcome, outcome_of


@pytest.mark.parametrize("values", [None, [], {}, {"sandbox": None}, {"image": {"tag": "1"}}])
def test_a_chart_that_says_nothing_succeeds(values: Any) -> None:
    assert outcome_of(values) == Outcome("succeed")


@pytest.mark.parametrize("seconds_given", [2, 2.0, "2"])
def test_a_chart_chooses_its_fate_also_in_words_of_the_command_line(seconds_given: Any) -> None:
    wanted = {"outcome": "fail", "reason": "no space left", "seconds": seconds_given}
    assert outcome_of({"sandbox": wanted}) == Outcome("fail", "no space left", 2.0)


@pytest.mark.parametrize(
    ("sandbox", "told"),
    [
        ("fail", "must be a mapping like"),
        ({"outcome": "explode"}, f"must be one of {', '.join(OUTCOMES)}"),
        ({"outcome": ["fail"]}, "must be one of"),
        ({"seconds": -1}, "must be a number, 0 or more"),
        ({"seconds": "soon"}, "must be a number, 0 or more"),
        ({"seconds": True}, "must be a number, 0 or more"),
        ({"seconds": "inf"}, "must be a number, 0 or more"),
        ({"seconds": {}}, "must be a number, 0 or more"),
    ],
)
def test_a_wrong_wish_is_refused_with_what_would_be_right(sandbox: Any, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        outcome_of({"sandbox": sandbox})


@pytest.mark.parametrize(
    ("text", "length", "go"),
    [
        ("5m", 300, "5m0s"),
        ("1h30m", 5400, "1h30m0s"),
        ("30s", 30, "30s"),
        ("500ms", 0.5, "0.5s"),
        ("1m30s", 90, "1m30s"),
    ],
)
def test_durations_are_read_and_written_as_go_does(text: str, length: float, go: str) -> None:
    assert seconds(text) == length
    assert written(length) == go


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is no duration"):
        seconds(text)


def entry(number: int, version: str, action: str = "upgrade") -> helm_history.Entry:
    return {"version": number, "chartVersion": version, "action": action, "lastDeployed": "then"}


def brief(history: helm_history.History) -> list[tuple[Any, ...]]:
    return [tuple(one[key] for key in ("version", "action", "status", "chartVersion")) for one in history]


def test_history_keeps_failures_down_to_the_release_to_go_back_to() -> None:
    history = helm_history.released([], entry(1, "1.0.0", "install"))
    history = helm_history.released(history, entry(2, "1.1.0"))
    history = helm_history.failed(history, entry(3, "1.2.0"))
    assert brief(history) == [(3, "upgrade", "failed", "1.2.0"), (2, "upgrade", "deployed", "1.1.0")]
    history = helm_history.rolled_back(history, now="now")
    assert brief(history) == [
        (4, "rollback", "deployed", "1.1.0"),
        (3, "upgrade", "failed", "1.2.0"),
        (2, "upgrade", "superseded", "1.1.0"),
    ]
    assert history[0]["lastDeployed"] == "now"
    assert len({one["digest"] for one in history}) == 3


def test_without_a_good_release_at_most_five_entries_stay() -> None:
    history: helm_history.History = []
    for number in range(1, 9):
        history = helm_history.failed(history, entry(number, f"1.{number}.0"))
    assert [one["version"] for one in history] == [8, 7, 6, 5, 4]
    with pytest.raises(LookupError):
        helm_history.rolled_back(history, now="now")
