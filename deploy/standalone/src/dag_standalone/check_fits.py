"""Whether the targets of each environment can show what it commits: a row for each, or for each thing to remark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dag_common.contracts.events import IacTarget, RolloutTarget
from dag_common.errors import Invalid
from dag_common.iac.wire import Heads
from dag_common.registry.apps import Environment
from dag_common.registry.registry import Registry
from dag_monitor.domain.fit import Fit, Place
from dag_monitor.domain.fits import FITS
from dag_standalone.check_findings import Finding
from dag_standalone.check_targets import Sight


@dataclass(frozen=True, slots=True)
class World:
    """What could be seen of the branches of IaC repositories, by name, and of targets, by id."""

    heads: dict[str, Heads] = field(default_factory=dict)
    sights: dict[str, Sight] = field(default_factory=dict)


def check_fits(registry: Registry, world: World) -> Iterator[Finding]:
    """The rows of all environments.

    A target in a cluster that could not be asked has none: the cluster's own row says it for all of them.
    """
    for app in registry.apps:
        for environment in app.environments:
            row = Finding(f"app {app.name}", environment.name, "")
            try:
                iac, targets = registry.resolve(app, environment)
            except Invalid as exc:
                remedy = "correct iac.path in the registry: deployments to it are refused"
                yield replace(row, told=exc.message, remedy=remedy)
                continue
            for target in targets:
                if target.id in world.sights:
                    place = _place(iac, world.heads.get(iac.repository), environment)
                    yield from _rows(replace(row, target=target.id), place, target, world.sights[target.id])


def _place(iac: IacTarget, heads: Heads | None, environment: Environment) -> Place:
    tip, default = (heads.branches.get(iac.branch, ""), heads.default) if heads else ("", "")
    unique = environment.unique_version
    return Place(url=iac.url, branch=iac.branch, path=iac.path, tip=tip, default=default, unique=unique)


def _rows(row: Finding, place: Place, target: RolloutTarget, sight: Sight) -> Iterator[Finding]:
    fit = Fit("", (sight.blind,)) if sight.blind else FITS[target.kind](sight.objects, target, place)
    for remark in fit.remarks:
        told = remark.told + _beside(target, sight)
        yield replace(row, told=told, remedy=remark.remedy, warning=not remark.grave)
    if not fit.remarks:
        yield replace(row, told=fit.told)


def _beside(target: RolloutTarget, sight: Sight) -> str:
    """What somebody may have meant who named a target that is not there."""
    return f"; in {target.namespace} there is {', '.join(sight.others)}" if sight.others else ""
