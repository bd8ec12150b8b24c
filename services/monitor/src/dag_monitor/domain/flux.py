"""The judge of kind `flux`: a HelmRelease v2 whose chart comes from the IaC repository.

Sources: fluxcd/helm-controller api/v2, docs/spec/v2/helmreleases.md and internal/reconcile; fluxcd/source-controller
internal/controller. Flux writes an object in several calls, conditions before the rest of the status, and leaves
`metadata.generation` as it is when only the chart changed. So no single field proves anything, and Success is the
conjunction of all that our chart implies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from dag_monitor.domain.expectation import Expectation, Objects
from dag_monitor.domain.flux_case import Case
from dag_monitor.domain.flux_failures import (
    chart_not_built,
    failed_often_enough,
    removed,
    same_version_again,
    stalled,
    wrong_path,
)
from dag_monitor.domain.flux_observation import concerned, observe, revisions
from dag_monitor.domain.flux_takeover import superseded
from dag_monitor.domain.flux_waiting import waiting
from dag_monitor.domain.verdict import Progressing, Succeeded, Verdict
from dag_monitor.domain.wording import sentences, told

__all__ = ["assess", "concerned", "revisions"]


def assess(objects: Objects, expectation: Expectation) -> Verdict:
    """How our chart stands, from whatever is known of the HelmRelease, its HelmChart and its GitRepository.

    Never raises on odd objects: what cannot be read counts as missing, and nothing missing is taken as a success.
    """
    target = expectation.target
    seen = observe(objects, target)
    if seen.release is None:
        return Progressing(f"HelmRelease {target.namespace}/{target.name} does not exist yet")
    case = Case(expectation, seen, seen.release)
    verdicts = (rule(case) for rule in _RULES)
    return next((verdict for verdict in verdicts if verdict), Progressing(waiting(case), case.evidence))


def _undecided(case: Case) -> Verdict | None:
    """A commit that nobody can place may hold our chart or another one under the same version."""
    return Progressing(waiting(case), case.evidence) if case.undecided else None


def _doubtful(case: Case) -> Verdict | None:
    """Two contents of one version came so close to each other that the chart may hold either."""
    return Progressing(waiting(case), case.evidence) if case.doubtful else None


def _untouched(case: Case) -> Verdict | None:
    """A HelmRelease that is suspended or on its way out proves nothing about what will run: its status is frozen."""
    if case.release.suspended or case.release.deleting:
        return Progressing(waiting(case), case.evidence)
    return None


def _succeeded(case: Case) -> Verdict | None:
    conditions = case.release.conditions
    healthy = case.ours and case.applied and case.settled and conditions["Ready"].true and not case.elsewhere
    healthy = healthy and not case.disguised
    untested = case.release.tested and conditions["TestSuccess"].status == "Unknown"
    if not healthy or untested:
        return None
    running = f"{case.expected.chart_name} {case.release.latest.chart_version}"
    said = f"{running} {_how(case)}: {told(conditions['Ready'].message)}"
    return Succeeded(sentences(said, *_not_known(case)), case.evidence)


def _how(case: Case) -> str:
    """Without a wait Ready says that Helm applied the objects, and no more."""
    if case.release.waits:
        return "already runs, unchanged" if case.expected.unchanged else "runs"
    return "was applied before, unchanged" if case.expected.unchanged else "is applied"


def _not_known(case: Case) -> Iterator[str]:
    """What the success does not claim, as the HelmRelease does not show it."""
    if not case.release.waits:
        yield "Whether its pods run is not known: this HelmRelease does not wait for them (disableWait)"
    if case.seen.published:
        yield f"It is known by its version alone: it comes from {case.seen.published}, not from git"


Rule = Callable[[Case], Verdict | None]
_RULES: Final[tuple[Rule, ...]] = (
    wrong_path,
    superseded,
    removed,
    _undecided,
    same_version_again,
    stalled,
    failed_often_enough,
    _untouched,
    _doubtful,
    _succeeded,
    chart_not_built,
)
"""The first rule that knows an answer gives the verdict; if none does, the rollout goes on."""
