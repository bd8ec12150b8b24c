"""Which kind of target is held against its environment how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain import fit_argocd, fit_flux, fit_workload
from dag_monitor.domain.expectation import Objects
from dag_monitor.domain.fit import Fit, Place

FITS: Final[dict[str, Callable[[Objects, RolloutTarget, Place], Fit]]] = {
    "argocd": fit_argocd.fit,
    "flux": fit_flux.fit,
    "helm": fit_workload.fit_release,
    "workload": fit_workload.fit_workload,
}
"""Every kind that has objects. They never raise on odd ones; what is not among the given ones does not exist."""
