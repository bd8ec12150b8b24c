"""Which write decides a rollout, told by the object as it was written: no judge has a part in it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.history import Change

Commits = Mapping[str, str]
"""The commits of the chart's versions."""

Write = Callable[[dict[str, Any], Commits], bool]
"""Whether an object, and the commits there are, are what decides."""

NOT_YET = "the condition is not there"


def first(write: Write, double: ClusterDouble, commits: Commits, *, since: int) -> Change:
    """The first write since a revision that is the one. Raises `StopIteration` if there is none."""
    return next(change for change in double.history.after(since) if write(change.object, commits))


def condition(obj: dict[str, Any], type_: str) -> tuple[str, str]:
    """Its status and reason."""
    listed = (obj.get("status") or {}).get("conditions") or []
    found = next((one for one in listed if one["type"] == type_), {"status": NOT_YET, "reason": ""})
    return found["status"], found["reason"]


def release_runs(version: str) -> Write:
    """The HelmRelease in which Ready is True for the version at the observed generation, with nothing left to do."""

    def wrote(obj: dict[str, Any], _: Commits) -> bool:
        if obj["kind"] != "HelmRelease" or condition(obj, "Ready")[0] != "True":
            return False
        status, (newest, *_rest) = obj["status"], obj["status"].get("history") or [{}]
        done = status["observedGeneration"] == obj["metadata"]["generation"]
        deployed = (newest.get("chartVersion"), newest.get("status")) == (version, "deployed")
        return done and deployed and condition(obj, "Reconciling")[0] == NOT_YET

    return wrote


def release_failed(version: str) -> Write:
    """The HelmRelease that counts the first failed attempt of the version."""
    return lambda obj, _: _attempts(obj, version) and obj["status"].get("failures") == 1


def release_stalled(version: str) -> Write:
    """The HelmRelease in which Flux gives the version up."""
    return lambda obj, _: _attempts(obj, version) and condition(obj, "Stalled") == ("True", "RetriesExceeded")


def release_attempts(version: str) -> Write:
    """The HelmRelease in which the version is the one attempted."""
    return lambda obj, _: _attempts(obj, version)


def _attempts(obj: dict[str, Any], version: str) -> bool:
    return obj["kind"] == "HelmRelease" and (obj.get("status") or {}).get("lastAttemptedRevision") == version


def secret_is(version: str, status: str) -> Write:
    """The secret in which Helm says how the release with this chart version stands."""

    def wrote(obj: dict[str, Any], _: Commits) -> bool:
        if obj["kind"] != "Secret":
            return False
        payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(obj["data"]["release"]))))
        return bool((payload["chart"]["metadata"]["version"], payload["info"]["status"]) == (version, status))

    return wrote


def application_runs(version: str) -> Write:
    """The Application that was synced to the version's commit and, looked at after that, is healthy."""

    def wrote(obj: dict[str, Any], commits: Commits) -> bool:
        if not _synced(obj, commits[version]):
            return False
        status = obj["status"]
        compared = (status["sync"]["status"], status["sync"]["revision"]) == ("Synced", commits[version])
        return compared and status["health"]["status"] == "Healthy" and "operation" not in obj

    return wrote


def sync_failed(version: str) -> Write:
    """The Application in which the first attempt to sync the version's commit ended."""

    def wrote(obj: dict[str, Any], commits: Commits) -> bool:
        state = _state(obj)
        ended = (state.get("phase"), state.get("retryCount")) == ("Running", 1) and "finishedAt" in state
        return ended and state["syncResult"]["revision"] == commits[version]

    return wrote


def application_went_back_to(version: str) -> Write:
    """The Application that a person synced to the version's commit and that differs from git since."""

    def wrote(obj: dict[str, Any], commits: Commits) -> bool:
        if not _synced(obj, commits[version]) or "operation" in obj:
            return False
        by_hand = "username" in obj["status"]["history"][-1]["initiatedBy"]
        return by_hand and obj["status"]["sync"]["status"] == "OutOfSync"

    return wrote


def application_is_at(version: str) -> Write:
    """The Application that is compared with the version's commit."""

    def wrote(obj: dict[str, Any], commits: Commits) -> bool:
        compared = ((obj.get("status") or {}).get("sync") or {}).get("revision")
        return obj["kind"] == "Application" and compared == commits[version]

    return wrote


def _synced(obj: dict[str, Any], commit: str) -> bool:
    """The newest sync ended well, was to this commit, and the Application was looked at since."""
    state = _state(obj)
    ended = state.get("phase") == "Succeeded" and state["syncResult"]["revision"] == commit
    return ended and obj["status"]["reconciledAt"] >= state["finishedAt"]


def _state(obj: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (obj.get("status") or {}).get("operationState") or {}
    return found if obj["kind"] == "Application" else {}


def deployment_runs(version: str) -> Write:
    """The Deployment of which every replica is of the version, and available."""

    def wrote(obj: dict[str, Any], _: Commits) -> bool:
        if not _observed(obj, version) or condition(obj, "Progressing")[1] != "NewReplicaSetAvailable":
            return False
        counts = {obj["status"].get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")}
        return counts == {obj["spec"]["replicas"]}

    return wrote


def deployment_gave_up(version: str) -> Write:
    """The Deployment that exceeded its progress deadline with the version."""
    exceeded = ("False", "ProgressDeadlineExceeded")
    return lambda obj, _: _observed(obj, version) and condition(obj, "Progressing") == exceeded


def deployment_carries(version: str, *, generation: int) -> Write:
    """The Deployment whose spec, of this generation, is the version's."""
    return lambda obj, _: _carries(obj, version) and obj["metadata"]["generation"] == generation


def _observed(obj: dict[str, Any], version: str) -> bool:
    seen = (obj.get("status") or {}).get("observedGeneration")
    return _carries(obj, version) and seen == obj["metadata"]["generation"]


def _carries(obj: dict[str, Any], version: str) -> bool:
    return obj["kind"] == "Deployment" and obj["metadata"]["labels"]["helm.sh/chart"] == f"podinfo-{version}"
