"""Which judge decides about which kind of target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_common.errors import Invalid
from dag_monitor.domain import argocd, flux, helm, none, workload
from dag_monitor.domain.concern import Concern
from dag_monitor.domain.expectation import Expectation, Objects
from dag_monitor.domain.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Judge:
    """`assess` gives the verdict; `concerned` names the objects it needs, more of them as the cluster reveals them.

    `revisions` are the commits in these objects that the verdict depends on.
    """

    assess: Callable[[Objects, Expectation], Verdict]
    concerned: Callable[[Objects, RolloutTarget], tuple[Concern, ...]]
    revisions: Callable[[Objects, RolloutTarget], frozenset[str]] = lambda _objects, _target: frozenset()


JUDGES: Final[dict[str, Judge]] = {
    "argocd": Judge(argocd.assess, argocd.concerned, argocd.revisions),
    "flux": Judge(flux.assess, flux.concerned, flux.revisions),
    "helm": Judge(helm.assess, helm.concerned),
    "none": Judge(none.assess, none.concerned),
    "workload": Judge(workload.assess, workload.concerned),
}


def judge_for(kind: str) -> Judge:
    """The judge of a kind. Raises `Invalid` for a kind that nobody judges."""
    try:
        return JUDGES[kind]
    except KeyError:
        raise Invalid(f"no judge for targets of kind {kind!r}: there are {', '.join(sorted(JUDGES))}") from None
