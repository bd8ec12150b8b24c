"""The time deadlines are compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dag_common.store import clock
from dag_common.store.clock import LogClock

NOON = datetime(2026, 9, 1, 12, 0, 0, tzinfo=UTC)


def test_the_logs_clock_goes_on_with_the_monotonic_one_from_what_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: passed)
    told = LogClock(NOON)
    assert told.now() == NOON
    passed += 90
    assert told.now() == NOON + timedelta(seconds=90)
