"""The facts a push leaves in the log."""

from __future__ import annotations

import pytest
from examples import requested

from dag_common.contracts.events import ChartPushed
from dag_pusher.domain.batch import Landed
from dag_pusher.domain.recording import pushed


@pytest.mark.parametrize(
    ("previous", "version", "app_version"),
    [
        (None, "", ""),
        (b"version: 1.2.2\nappVersion: 2.0.1\n", "1.2.2", "2.0.1"),
        (b'version: "1.2.2\\0\\n"\nappVersion:\n', "1.2.2", ""),
        (b"version: " + b"1" * 5_000, "1" * 1_000, ""),
        (b"[[[", "", ""),
        (b"- no mapping", "", ""),
    ],
)
def test_whatever_stood_there_before_can_be_recorded(previous: bytes | None, version: str, app_version: str) -> None:
    chart = b"name: podinfo\nversion: 1.2.3\n"
    [fact] = pushed(requested(), Landed("id", "c" * 40, "t" * 40, chart, previous, unchanged=False, settled=True))  # type: ignore[arg-type]
    assert isinstance(fact, ChartPushed)
    assert (fact.chart_version, fact.previous_chart_version) == ("1.2.3", version)
    assert fact.previous_app_version == app_version
