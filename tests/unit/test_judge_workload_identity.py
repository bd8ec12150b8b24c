"""Whose chart the judge of kind workload takes an object for, where an earlier content would look like ours."""

from __future__ import annotations

import pytest
from flux_objects import NEWER, OURS
from workload_objects import CHART, VERSION, expecting, judged, labelled, progressing, workload

from dag_common.domain.deployment import Carried
from dag_monitor.domain.expectation import Later
from dag_monitor.domain.verdict import Progressing, Succeeded, Verdict
from dag_monitor.domain.workload_identity import chart_label


def test_a_reused_version_proves_nothing_and_says_why() -> None:
    message = progressing(judged("deployment", workload("deployment"), expecting("1.2.3", "1.2.3", ("1.2.3", "1.2.3"))))
    assert "another content had the same version before" in message
    assert message.endswith("deploy with a version that was not used before")


def test_a_version_that_came_back_with_other_content_over_one_that_was_not_rolled_out_proves_nothing() -> None:
    again = expecting("1.2.3", "1.2.3", ("1.2.4", "1.2.4"), ("1.2.3", "1.2.3"))
    assert "another content had the same version" in progressing(judged("deployment", workload("deployment"), again))


UNIQUE = ("1.2.3-dag.17", "1.2.3")


def test_the_app_version_of_the_chart_before_proves_nothing_if_ours_is_the_same() -> None:
    obj = labelled({VERSION: "1.2.3"})
    message = progressing(judged("deployment", obj, expecting(*UNIQUE, ("1.2.3-dag.11", "1.2.3"))))
    assert "chart 1.2.3-dag.11 before ours had the same app version" in message
    assert "have the chart set helm.sh/chart" in message
    assert isinstance(judged("deployment", obj, expecting(*UNIQUE, ("1.2.2-dag.11", "1.2.2"))), Succeeded)
    assert isinstance(judged("deployment", obj, expecting(*UNIQUE, ("0.9.0", ""))), Succeeded)


LONG = "customer-notification-preference-service"
NEXT = ("2026.9.1-build.20260901.102", "2026.9.1-build.20260901.102")
LAST = ("2026.9.1-build.20260901.101", "2026.9.1-build.20260901.101")


def test_a_label_that_is_cut_like_that_of_the_chart_before_proves_nothing() -> None:
    cut = chart_label(LONG, NEXT[0])
    message = progressing(judged("deployment", labelled({CHART: cut}), expecting(*NEXT, LAST, chart_name=LONG)))
    assert f"a label is cut at 63 characters, and chart {LAST[0]} before ours had the same one" in message
    assert isinstance(judged("deployment", labelled({CHART: cut}), expecting(*NEXT, chart_name=LONG)), Succeeded)


@pytest.mark.parametrize(("version", "verdict"), [(NEXT[1], Succeeded), (LAST[1], Progressing)])
def test_where_the_chart_label_is_cut_the_app_version_decides(version: str, verdict: type[Verdict]) -> None:
    obj = labelled({CHART: chart_label(LONG, NEXT[0]), VERSION: version})
    assert isinstance(judged("deployment", obj, expecting(*NEXT, LAST, chart_name=LONG)), verdict)


def test_a_later_chart_with_a_label_cut_like_ours_is_not_taken_for_seen() -> None:
    obj, later = labelled({CHART: chart_label(LONG, NEXT[0])}), (Later("dep_2", f"{NEXT[0]}3", NEWER),)
    expected = expecting(*NEXT, LAST, chart_name=LONG, later=later)
    assert isinstance(judged("deployment", obj, expected), Progressing)


@pytest.mark.parametrize(
    ("seen", "earlier", "verdict"),
    [
        (("1.2.4",), ("1.2.4", "1.2.3"), Succeeded),
        (("1.2.2",), ("1.2.4", "1.2.3", "1.2.2"), Progressing),
        (("1.2.4",), ("1.2.4", "1.2.3", "1.2.4"), Progressing),
        (("1.2.4",), ("1.2.3", "1.2.4"), Progressing),
        ((), ("1.2.4", "1.2.3"), Progressing),
    ],
)
def test_what_lay_below_a_chart_that_the_workload_was_seen_with_is_gone(
    seen: tuple[str, ...], earlier: tuple[str, ...], verdict: type[Verdict]
) -> None:
    """Charts are applied in the order of their pushes; an older one may stand there before it, but not come after."""
    carried = tuple(Carried(f"{CHART}=podinfo-{version}", 3) for version in seen)
    expected = expecting("1.2.3", "1.2.3", *((version, version) for version in earlier), carried=carried)
    assert isinstance(judged("deployment", workload("deployment"), expected), verdict)


def test_a_label_with_our_commit_in_it_tells_ours_from_another_content_of_the_version() -> None:
    reused = expecting("1.2.3", "1.2.3", ("1.2.3", "1.2.3"))
    for stamp, verdict in ((OURS[:12], Succeeded), ("7", Progressing)):
        assert isinstance(judged("deployment", labelled({CHART: f"podinfo-1.2.3_{stamp}"}), reused), verdict)
