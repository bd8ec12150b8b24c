"""What is said of a target before anything is pushed: whether it can ever show what an environment commits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an environment commits its chart, and with `unique` gives each deployment a version of its own.

    `tip` is the branch's newest commit, `default` the branch that the repository's HEAD names; empty: not known.
    """

    url: str
    branch: str
    path: str
    tip: str = ""
    default: str = ""
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a target that somebody should know, and what to do about it; its own name is said elsewhere.

    `grave`: as it is, no deployment would be seen to succeed. Otherwise it may be as it should be.
    """

    told: str
    remedy: str
    grave: bool = True


@dataclass(frozen=True, slots=True)
class Fit:
    """How a target fits its environment: `told` sums it up where there is nothing to remark."""

    told: str
    remarks: tuple[Remark, ...] = ()


def missing(kind: str) -> Fit:
    """What has to be there before the first deployment is not."""
    remedy = "create it, or correct the target in the registry: rollouts would wait for it until their timeout"
    return Fit("", (Remark(f"there is no such {kind}", remedy),))


def not_yet(kind: str) -> Fit:
    """What the first deployment may bring is not there."""
    remedy = "if it should be there, correct the target in the registry"
    return Fit("", (Remark(f"there is no such {kind}: the first deployment may bring it", remedy, grave=False),))
