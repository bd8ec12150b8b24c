from __future__ import annotations

import io

import pytest
from rich.console import Console

from dag_client import plans
from dag_client.gateway import Update
from dag_client.progress import Progress
from dag_client.summary import described
from dag_client.views import Lines, Screen, printable

UPDATES = [
    Update("status", "1", {"status": "pending", "message": "accepted"}),
    Update("heartbeat", "1", {}),
    Update("commit", "2", {"sha": "abc", "url": "http://git/commit/abc"}),
    Update("status", "3", {"status": "pushed", "message": "Chart pushed"}),
    Update("target", "4", {"cluster": "c", "kind": "flux", "namespace": "n", "name": "a", "message": "upgrading"}),
    Update("status", "4", {"status": "monitoring", "message": "c/flux/n/a: upgrading"}),
    Update("status", "4", {"status": "monitoring", "message": "c/flux/n/a: upgrading"}),
    Update("status", "5", {"status": "failed", "message": "c/flux/n/a: upgrading"}),
]


def test_a_log_has_one_line_for_each_change_and_says_nothing_twice() -> None:
    out = io.StringIO()
    view = Lines(out)
    for update in UPDATES:
        view.show(update)
    lines = [line.split(maxsplit=2)[2] for line in out.getvalue().splitlines()]
    assert [" ".join(line.split()) for line in lines] == [
        "pending accepted",
        "commit abc http://git/commit/abc",
        "pushed Chart pushed",
        "monitoring c/flux/n/a: upgrading",
        "failed (as above)",
    ]


def test_a_terminal_shows_stages_targets_and_the_commit() -> None:
    out = io.StringIO()
    view = Screen(Console(file=out, force_terminal=True, width=100))
    view.open("an-id", "Deploying 1.0.0")
    for update in UPDATES:
        view.show(update)
    view.note("Connecting again.")
    view.close({})
    shown = out.getvalue()
    for words in ("an-id", "pending", "Chart pushed", "http://git/commit/abc", "c/flux/n/a", "✗", "Connecting again."):
        assert words in shown


def test_a_terminal_says_a_failure_only_once_for_the_command_says_it_last() -> None:
    out = io.StringIO()
    view = Screen(Console(file=out, width=100))
    for update in UPDATES:
        view.show(update)
    view.open("an-id", "Deploying 1.0.0")
    view.close({})
    assert "failed" in out.getvalue()
    assert "upgrading" not in out.getvalue()


def test_a_terminal_shows_each_target_below_the_stage_that_waits_for_it() -> None:
    out = io.StringIO()
    view = Screen(Console(file=out, width=100))
    for name, status in (("a", "succeeded"), ("b", "failed"), ("c", "progressing")):
        view.show(Update("target", "4", {"name": name, "status": status, "message": f"{name} says"}))
    view.show(Update("status", "4", {"status": "monitoring", "message": "a: a says"}))
    view.open("an-id", "Watching")
    view.close({})
    shown = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    first = next(number for number, line in enumerate(shown) if "1 of 3 done" in line)
    assert shown[first + 1 : first + 4] == ["✓ a a says", "✗ b b says", "· c c says"]


def test_a_view_that_was_told_nothing_still_draws() -> None:
    out = io.StringIO()
    view = Screen(Console(file=out, force_terminal=True, width=100))
    view.open("an-id", "Deploying 1.0.0")
    view.close({})
    assert "an-id" in out.getvalue()


def test_a_plan_is_coloured_on_a_terminal_and_plain_elsewhere() -> None:
    file = {"path": "x", "change": "changed", "diff": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n", "truncated": False}
    page = plans.described({"unchanged": False, "files": [file]})
    terminal, log = io.StringIO(), io.StringIO()
    Console(file=terminal, force_terminal=True, color_system="standard").print(page)
    Console(file=log).print(page)
    assert "\x1b[31m-old\x1b[0m\n\x1b[32m+new\x1b[0m" in terminal.getvalue()
    assert "-old\n+new\n" in log.getvalue()
    assert "\x1b" not in log.getvalue()


def test_an_empty_plan_says_so() -> None:
    assert "Nothing would change." in plans.described({"unchanged": True, "files": []}).plain


def test_progress_is_the_same_after_what_is_no_news() -> None:
    progress = Progress(started=0.0)
    for update in UPDATES:
        progress = progress.after(update, 1.0)
    for update in UPDATES[-1:] + UPDATES[1:3] + UPDATES[4:5]:
        assert progress.after(update, 2.0) is progress


@pytest.mark.parametrize(
    ("text", "shown"), [("a\x1b[31mb", "a?[31mb"), ("two\nlines\t", "two\nlines\t"), ("a\rb", "a?b")]
)
def test_what_others_say_does_not_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_longest_name_of_an_event_stands_apart_from_its_message() -> None:
    out = io.StringIO()
    history = [{"type": "cancellation.requested", "message": "asked for by ada"}]
    Console(file=out, width=120).print(described({"status": "failed", "history": history}))
    assert "cancellation.requested  asked for by ada" in out.getvalue()
