"""docs/guarantees.md names tests and invariants that exist: a renamed test takes its promise with it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from acceptance.harness import invariants

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text()


def test_every_promise_names_a_test_there_is_exactly_once() -> None:
    files = (path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    defined = Counter(name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert {name: defined[name] for name in named if defined[name] != 1} == {}


def test_every_bullet_has_a_test() -> None:
    promises = re.findall(r"^\* \*\*.*?(?=^\*|^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert promises
    assert [promise for promise in promises if "Held by `test_" not in promise.replace("\n  ", " ")] == []


def test_every_invariant_is_promised_and_every_promise_is_checked() -> None:
    bullets = re.findall(r"^\* (`.*?):", TEXT.split("\n## ")[1], re.MULTILINE)
    promised = re.findall(r"`(\w+)`", " ".join(bullets))
    assert sorted(promised) == sorted(check.__name__ for check in invariants.ALL)
