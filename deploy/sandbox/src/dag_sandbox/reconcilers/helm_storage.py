"""Where Helm keeps its releases: a secret each in the release's namespace (helm/helm pkg/storage/storage.go)."""

from __future__ import annotations

from dataclasses import replace

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import SECRETS
from dag_sandbox.cluster.selectors import Selection
from dag_sandbox.reconcilers.helm_release import DEPLOYED, SUPERSEDED, HelmRelease, decoded


class Storage:
    """The versions of one release, at most `most` of them (0: all); each method is what its name says in Helm."""

    def __init__(self, double: ClusterDouble, release: tuple[str, str], most: int) -> None:
        self._double = double
        self.namespace, self.name = release
        self._most = most

    def history(self) -> list[HelmRelease]:
        """All versions, the newest first."""
        selection = Selection(self.namespace, f"owner=helm,name={self.name}")
        found = [decoded(secret) for secret in self._double.list(SECRETS, selection)]
        return sorted(found, key=lambda one: one.version, reverse=True)

    def deployed(self) -> HelmRelease | None:
        """The newest version that is marked as deployed."""
        return next((one for one in self.history() if one.status == DEPLOYED), None)

    def create(self, release: HelmRelease) -> HelmRelease:
        """Store a new version, after making room for it."""
        self._make_room()
        self._double.create(SECRETS, release.secret("createdAt"))
        return release

    def update(self, release: HelmRelease, *, status: str = "", description: str = "") -> HelmRelease:
        """Write a version again: the whole secret, whose `createdAt` gives way to `modifiedAt`."""
        after = replace(release, status=status or release.status, description=description or release.description)
        self._double.replace(SECRETS, after.secret("modifiedAt"))
        return after

    def supersede(self) -> None:
        """Mark every deployed version as superseded."""
        for one in self.history():
            if one.status == DEPLOYED:
                self.update(one, status=SUPERSEDED)

    def purge(self) -> None:
        """Forget the release."""
        for one in self.history():
            self._double.delete(SECRETS, self.namespace, one.secret_name)

    def _make_room(self) -> None:
        """The oldest versions go; the deployed one stays, however old it is."""
        if not self._most:
            return
        kept, oldest_first = self.deployed(), self.history()[::-1]
        spare = [one for one in oldest_first if kept is None or one.version != kept.version]
        for one in spare[: max(0, len(oldest_first) - self._most + 1)]:
            self._double.delete(SECRETS, self.namespace, one.secret_name)
