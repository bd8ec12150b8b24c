"""When a workload that carried our chart carries the one from before it again.

The object alone does not tell that from a rollout that has not begun; what it carried earlier does, which the log has
from whoever watched then. The order is the generation's, which the API server raises with each change of the spec
(kubernetes/kubernetes pkg/registry/apps/deployment/strategy.go): an old sight, shown late, proves nothing.
"""

from __future__ import annotations

from itertools import pairwise

from dag_common.domain.deployment import Carried
from dag_monitor.domain.expectation import Expectation
from dag_monitor.domain.workload_identity import CHART_LABEL, Labels, Origin, chart_label, origin, told_as


def times_taken_back(now: Carried, expected: Expectation) -> int:
    """How often another chart came in the place of ours, as far as that was recorded, the present included."""
    seen = (*expected.carried, now)
    return sum(_ours(one, expected) and _replaces(next_, one, expected) for one, next_ in pairwise(seen))


def is_from_before(labels: Labels, expected: Expectation) -> bool:
    """Whether all that is not ours stood there before ours: seen then, or the chart before ours in git."""
    earlier = set(_previous(expected)) if labels.key == CHART_LABEL else set()
    for one in expected.carried:
        if _ours(one, expected):
            break
        known = told_as(one.label)
        earlier |= set(known.values) if known.key == labels.key else set()
    foreign = {value for value in labels.values if origin(Labels(labels.key, (value,)), expected) is Origin.OTHER}
    return bool(foreign) and foreign <= earlier


def _ours(one: Carried, expected: Expectation) -> bool:
    return origin(told_as(one.label), expected) is Origin.OURS


def _replaces(next_: Carried, one: Carried, expected: Expectation) -> bool:
    return next_.generation > one.generation and not _ours(next_, expected)


def _previous(expected: Expectation) -> tuple[str, ...]:
    version = expected.previous_chart_version
    return (chart_label(expected.chart_name, version),) if version else ()
