"""Which app owns which directory of which IaC repository: a chart directory is replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from dag_common.errors import Invalid
from dag_common.registry.apps import App, Environment
from dag_common.registry.iac_path import check_iac_path

Place = tuple[str, str]


@dataclass(slots=True)
class Ground:
    """Directories taken so far, and the directories above them, each with the app that took them."""

    _taken: dict[Place, str] = field(default_factory=dict)
    _above: dict[Place, str] = field(default_factory=dict)

    def claim(self, app: App) -> Iterator[tuple[int, str]]:
        """Take the directories of an app; tells which environments' would wipe out another chart, and why.

        Environments of one app may share a directory; two apps may not, and no chart may lie inside another's. A path
        that leaves its repository takes nothing here: it is answered when it is used.
        """
        for index, environment in enumerate(app.environments):
            place = _place(environment)
            if place is None:
                continue
            parents = [(place[0], str(parent)) for parent in PurePosixPath(place[1]).parents]
            clash = self._clash(app.name, place, parents)
            if clash:
                yield index, clash
                continue
            self._taken.setdefault(place, app.name)
            self._above.update({parent: app.name for parent in parents if parent not in self._above})

    def _clash(self, name: str, place: Place, parents: list[Place]) -> str:
        owner = self._taken.get(place, name)
        if owner != name:
            return f"the app {owner} deploys to {place[1]} in {place[0]} already"
        if place in self._above:
            return f"a chart of the app {self._above[place]} lies inside {place[1]}, which is replaced as a whole"
        outer = next((parent for parent in parents if parent in self._taken), None)
        if outer is not None:
            return f"lies inside {outer[1]}, which the app {self._taken[outer]} replaces as a whole"
        return ""


def _place(environment: Environment) -> Place | None:
    try:
        return environment.iac.repository, check_iac_path(environment.iac.path)
    except Invalid:
        return None
