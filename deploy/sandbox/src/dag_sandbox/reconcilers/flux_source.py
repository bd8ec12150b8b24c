"""source-controller's half for GitRepositories (fluxcd/source-controller, gitrepository_controller.go)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

from dag_common.errors import NotFound, Unavailable
from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.moments import timestamp
from dag_sandbox.cluster.resources import GIT_REPOSITORIES, SECRETS, Object
from dag_sandbox.reconcilers.durations import seconds
from dag_sandbox.reconcilers.flux_writer import GONE, FluxWriter, no, unknown, yes
from dag_sandbox.reconcilers.git_tip import Checkout, Remote
from dag_sandbox.reconcilers.pace import Pace
from dag_sandbox.reconcilers.work_queue import Key

_REFUSED: Final = ("authentication failed", "could not read username", "401", "403")


class GitRepositories:
    """Follows the branches of the double's GitRepositories; their contents are kept in `directory`."""

    def __init__(self, double: ClusterDouble, directory: Path, pace: Pace) -> None:
        self._double = double
        self._directory = directory
        self._pace = pace
        self._checkouts: dict[Key, Checkout] = {}

    def checkout(self, key: Key) -> Checkout:
        """Where a GitRepository's contents can be read."""
        if key not in self._checkouts:
            self._checkouts[key] = Checkout(self._directory / f"{key[0]}-{key[1]}.git")
        return self._checkouts[key]

    async def hold(self, key: Key, commit: str) -> None:
        """Have the contents of an artifact, also after a restart. Raises `NotFound`, `Unavailable`."""
        if not await self.checkout(key).holds(commit):
            remote = self._remote(self._double.get(GIT_REPOSITORIES, *key))
            await self.checkout(key).fetch_commit(remote, commit)

    async def reconcile(self, key: Key) -> float | None:
        """Look at the branch once; again after the interval. Raises `NotFound` when the object is gone."""
        writer = FluxWriter(self._double, GIT_REPOSITORIES, key)
        obj = writer.object
        if obj["spec"].get("suspend"):
            return None
        held = ((writer.status.get("artifact") or {}).get("revision") or "").rpartition(":")[2]
        try:
            remote = self._remote(obj)
            commit = await self.checkout(key).fetch(remote, known=held)
        except (Unavailable, NotFound) as exc:
            _failed(writer, obj["spec"].get("url", ""), str(exc))
        else:
            _stored(writer, key, remote.branch, commit)
        return self._interval(obj)

    def _interval(self, obj: Object) -> float:
        if self._pace.interval is not None:
            return self._pace.interval
        return max(seconds(obj["spec"].get("interval", "1m")), 0.1)

    def _remote(self, obj: Object) -> Remote:
        spec = obj["spec"]
        reference = (spec.get("secretRef") or {}).get("name")
        data = self._secret(obj["metadata"]["namespace"], reference) if reference else {}
        branch = (spec.get("ref") or {}).get("branch", "master")
        return Remote(spec.get("url", ""), branch, data.get("username", ""), data.get("password", ""))

    def _secret(self, namespace: str, name: str) -> dict[str, str]:
        data: dict[str, Any] = self._double.get(SECRETS, namespace, name).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _failed(writer: FluxWriter, url: str, words: str) -> None:
    reason = "AuthenticationFailed" if any(sign in words.lower() for sign in _REFUSED) else "GitOperationFailed"
    message = f"failed to checkout and determine revision: unable to list remote for '{url}': {words}"
    writer.conditions(
        Reconciling=yes("ProgressingWithRetry", message),
        Ready=no(reason, message),
        FetchFailed=yes(reason, message),
    )
    writer.handled(observed=False)


def _stored(writer: FluxWriter, key: Key, branch: str, commit: str) -> None:
    revision = f"{branch}@sha1:{commit}"
    ready = writer.condition("Ready")
    if (writer.status.get("artifact") or {}).get("revision") == revision and ready and ready.status == "True":
        writer.handled(observed=True)
        return
    news = f"new upstream revision '{revision}'"
    writer.conditions(
        Reconciling=yes("Progressing", f"building artifact: {news}"),
        Ready=unknown("Progressing", f"building artifact: {news}"),
        ArtifactOutdated=yes("NewRevision", news),
        FetchFailed=GONE,
    )
    stored = yes("Succeeded", f"stored artifact for revision '{revision}'")
    writer.conditions(Reconciling=GONE, Ready=stored, ArtifactInStorage=stored, ArtifactOutdated=GONE)
    writer.handled(observed=True, artifact=_artifact(key, revision, commit))


def _artifact(key: Key, revision: str, commit: str) -> dict[str, Any]:
    path = f"gitrepository/{key[0]}/{key[1]}/{commit}.tar.gz"
    return {
        "revision": revision,
        "digest": f"sha256:{hashlib.sha256(revision.encode()).hexdigest()}",
        "path": path,
        "url": f"http://source-controller.flux-system.svc.cluster.local./{path}",
        "size": 0,
        "lastUpdateTime": timestamp(),
    }
