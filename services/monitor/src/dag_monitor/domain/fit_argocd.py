"""Whether an Application takes the chart that an environment commits, by what its judge reads and compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain.argocd_case import in_repository, takes
from dag_monitor.domain.argocd_observation import Application, observe
from dag_monitor.domain.argocd_sources import Source
from dag_monitor.domain.expectation import Objects
from dag_monitor.domain.fit import Fit, Place, Remark, missing
from dag_monitor.domain.wording import told

_MEND = "or the environment's iac repository in the registry"


def fit(objects: Objects, target: RolloutTarget, place: Place) -> Fit:
    """All that keeps this environment's charts from being seen to arrive by this Application."""
    app = observe(objects, target)
    if app is None:
        return missing("Application")
    remarks = (*_state(app), *_road(app, place), *_syncing(app))
    return Fit(f"takes {place.path} of {place.branch}, and syncs by itself", remarks)


def _state(app: Application) -> Iterator[Remark]:
    """A broken spec stays broken; a comparison may fail until the first deployment brings the directory."""
    if app.deleting:
        yield Remark("the Application is being deleted", "create it anew when it is gone")
    for trouble in app.errors:
        words = f"the Application shows {trouble.type}: {told(trouble.message)}"
        if trouble.type == "InvalidSpecError":
            yield Remark(words, "correct its spec, or its project")
        if trouble.type == "ComparisonError":
            yield Remark(words, "mend it, unless the first deployment does by bringing the directory", grave=False)


def _road(app: Application, place: Place) -> Iterator[Remark]:
    """From the repository to the Application."""
    sources = in_repository(app, place.url) or _by_another_address(app, place)
    ours = tuple(one for one in sources if takes(one, place.path))
    if not app.sources:
        yield Remark("the Application has no source", "set spec.source: what a source hydrator writes is not followed")
    elif not sources:
        words = f"the Application follows {_listed(one.url for one in app.sources)}, the environment commits to"
        yield Remark(f"{words} {told(place.url)}", f"correct its source, {_MEND}")
    elif not ours:
        words = (
            f"the Application deploys {_listed(one.path for one in sources)}, the environment commits to {place.path}"
        )
        yield Remark(words, "correct its source's path, or the environment's path or target in the registry")
    elif not any(_follows(one, place) for one in ours):
        words = f"the Application follows {_listed(_revision(one, place) for one in ours)}, the environment commits to"
        yield Remark(f"{words} the branch {place.branch}", f"correct its source's targetRevision, {_MEND}")


def _by_another_address(app: Application, place: Place) -> tuple[Source, ...]:
    """A repository may go by two addresses: which commit is its newest tells then, as it tells the judge."""
    return app.sources if place.tip and place.tip in app.revisions else ()


def _follows(source: Source, place: Place) -> bool:
    branch = source.branch or place.default
    return branch in ("", place.branch)


def _revision(source: Source, place: Place) -> str:
    return source.branch or f"the repository's HEAD, which is {place.default}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(told(one) for one in words if one)) or "nothing"


def _syncing(app: Application) -> Iterator[Remark]:
    if not app.automated:
        remedy = f"sync it after each deployment ({app.by_hand}), or set spec.syncPolicy.automated"
        yield Remark("the Application does not sync by itself, somebody has to", remedy, grave=False)
