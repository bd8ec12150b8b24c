"""The judge of kind `helm`: release secrets that a plain `helm upgrade` leaves (helm/helm pkg/action, pkg/storage).

It reads the secrets it is given and is in no table of judges yet: their names end in numbers nobody knows before, so
a window has to list them by label. `deployed` is Helm's word: without `--wait` it says nothing about pods, and the
verdict claims no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from dag_common.contracts.events import Evidence
from dag_monitor.domain.expectation import Expectation, Objects
from dag_monitor.domain.helm_observation import Release, releases
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_monitor.domain.wording import sentences, told

_CLOCKS_DIFFER: Final = timedelta(seconds=60)


def assess(objects: Objects, expectation: Expectation) -> Verdict:
    """How the newest version of the release that holds our chart stands. Never raises on odd secrets.

    A rollback is `deployed` too, with the chart from before; so the chart is looked at, not the status alone. A
    version that cannot be read may be anything, and keeps the verdict open.
    """
    found = releases(objects, expectation.target)
    where = f"Helm release {expectation.target.namespace}/{expectation.target.name}"
    wanted = f"{expectation.chart_name} {expectation.chart_version}"
    unreadable = next((one for one in found if not one.readable), None)
    ours = next((one for one in found if _is_ours(one, expectation)), None)
    if unreadable and (ours is None or unreadable.number > ours.number):
        return Progressing(f"Version {unreadable.number} of {where} cannot be read", _evidence(unreadable))
    if ours is None:
        now = f" (now at {told(found[0].chart_name)} {told(found[0].chart_version)})" if found else ""
        return Progressing(f"Waiting for {where} to take {wanted}{now}", _evidence(found[0]) if found else None)
    above = [one for one in found if one.number > ours.number]
    return _replaced(ours, above, expectation) if above else _standing(ours, expectation)


def _is_ours(release: Release, expected: Expectation) -> bool:
    """Exactly our chart version, and not released before our content existed; Helm stamps nothing."""
    since, at = expected.content_since, release.deployed_at
    stale = since is not None and at is not None and at < since - _CLOCKS_DIFFER
    named = (release.chart_name, release.chart_version) == (expected.chart_name, expected.chart_version)
    return release.readable and named and not stale


def _standing(ours: Release, expected: Expectation) -> Verdict:
    words = told(ours.description) or f"it is {ours.status or 'in no known state'}"
    if ours.status == "deployed" and not expected.reused:
        how = "is still deployed, unchanged" if expected.unchanged else "is deployed"
        return Succeeded(sentences(f"{expected.chart_name} {ours.chart_version} {how}: {words}"), _evidence(ours))
    if ours.status in ("failed", "uninstalled"):
        return Failed(f"release-{ours.status}", sentences(words), _evidence(ours))
    if ours.status == "deployed":
        words = "another content had the same version right before, so nothing proves which of both is deployed"
    return Progressing(
        f"Version {ours.number} has {expected.chart_name} {ours.chart_version}: {words}", _evidence(ours)
    )


def _replaced(ours: Release, above: list[Release], expected: Expectation) -> Verdict:
    """Something came on top of ours: a rollback means ours failed, a later deployment that it was not waited for."""
    newest, first = above[0], above[-1]
    if first.rollback or ours.status == "failed":
        back = f"Helm rolled back to {told(first.chart_version)}" if first.rollback else ""
        why = told(ours.description) if ours.status == "failed" else ""
        return Failed("rolled-back" if first.rollback else "release-failed", sentences(why, back), _evidence(ours))
    if newest.pending:
        return Progressing(f"Helm is at work on version {newest.number}: {told(newest.description)}", _evidence(newest))
    later = next((one for one in expected.later if one.chart_version == newest.chart_version), None)
    who = f"deployment {later.deployment_id}" if later else "a change from outside DAG"
    message = (
        f"Chart version {told(newest.chart_version)} from {who} came before {ours.chart_version} was seen deployed"
    )
    by, commit = (later.deployment_id, later.commit) if later else ("", "")
    return Superseded(by, told(newest.chart_version), commit, message, _evidence(newest))


def _evidence(release: Release) -> Evidence:
    return Evidence(object=str(release.ref), revision=told(release.chart_version), reason=release.status)
