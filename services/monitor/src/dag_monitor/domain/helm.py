"""The judge of kind `helm`: release secrets that a plain `helm upgrade` leaves (helm/helm pkg/action, pkg/storage).

A version counts by the chart in its payload, never by a label: a rollback is `deployed` too, with the chart from
before. `deployed` is Helm's word, and without `--wait` it says nothing about pods; so success also needs every
Deployment, StatefulSet, DaemonSet and Job of the release's manifest to have rolled out, by the rules of the kind
`workload`. Other objects, and hooks, count as far as Helm waited for them. Releases that Helm keeps anywhere but in
secrets (HELM_DRIVER) are not seen.

Two moments, less 60 s for clocks that differ, say what a version with our chart's name and version is:

| Helm began it | new content | a return to an older chart | an unchanged push |
|---|---|---|---|
| before the content first came to the path | not ours | not ours | not ours |
| after that, but before our push | - | ours; only deployed and the newest it counts | counts |
| after our push | counts | counts | counts |
"""

from __future__ import annotations

from datetime import datetime

from dag_common.contracts.events import Evidence, RolloutTarget
from dag_monitor.domain.clocks import CLOCKS_DIFFER
from dag_monitor.domain.concern import Concern, Releases, Since
from dag_monitor.domain.expectation import Expectation, Objects
from dag_monitor.domain.helm_observation import Release, releases
from dag_monitor.domain.helm_workloads import carrying, completed, standing_of
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_monitor.domain.wording import sentences, told


def concerned(objects: Objects, target: RolloutTarget) -> tuple[Concern, ...]:
    """The release's versions, and if the newest is deployed the workloads in it, as they are since it is."""
    newest = releases(objects, target)[:1]
    workloads = (Since(ref, one.state) for one in newest if one.status == "deployed" for ref in one.workloads)
    return (Releases(target.namespace, target.name), *workloads)


def assess(objects: Objects, expectation: Expectation) -> Verdict:
    """How the newest version of the release that holds our chart stands. Never raises on odd secrets.

    A version above it that cannot be read may be anything, and keeps the verdict open.
    """
    found = releases(objects, expectation.target)
    ours = next((one for one in found if _is_ours(one, expectation)), None)
    above = [one for one in found if ours is None or one.number > ours.number]
    unread = [one for one in above if not one.readable]
    if not all(one.pending for one in unread):
        return _under_way(next((one for one in unread if one.trouble), unread[0]), expectation)
    if ours is None or ((above or ours.status != "deployed") and not _attempted_for_us(ours, expectation)):
        return _waiting(found, expectation)
    if ours.status == "failed":
        return _failed(found, above, ours, expectation)
    return _replaced(ours, above, expectation) if above else _standing(objects, ours, expectation)


def _is_ours(release: Release, expected: Expectation) -> bool:
    """Exactly our chart version, and not begun before our content existed; Helm stamps nothing."""
    named = (release.chart_name, release.chart_version) == (expected.chart_name, expected.chart_version)
    return release.readable and named and not _before(release, expected.content_since)


def _attempted_for_us(release: Release, expected: Expectation) -> bool:
    """What became of our chart in an earlier deployment of it decides nothing about this one."""
    return not _before(release, expected.content_since if expected.unchanged else expected.pushed_at)


def _before(release: Release, moment: datetime | None) -> bool:
    begun = release.released_at
    return moment is not None and begun is not None and begun < moment - CLOCKS_DIFFER


def _waiting(found: tuple[Release, ...], expected: Expectation) -> Progressing:
    where = _where(expected)
    wanted = f"{expected.chart_name} {expected.chart_version}"
    if not found:
        return Progressing(f"Waiting for {where} to take {wanted}; Helm has no version of it, or removed it again")
    newest = found[0]
    if not newest.readable:
        return _under_way(newest, expected)
    now = f"now at {told(newest.chart_name)} {told(newest.chart_version)}, {newest.status or 'in no known state'}"
    return Progressing(f"Waiting for {where} to take {wanted} ({now})", _evidence(newest))


def _under_way(release: Release, expected: Expectation) -> Progressing:
    """What Helm is at work on, and what it just finished and nobody has read yet."""
    trouble = f" cannot be read: {told(release.trouble)}" if release.trouble else " is under way"
    return Progressing(f"Version {release.number} of {_where(expected)}{trouble}", _evidence(release))


def _failed(found: tuple[Release, ...], above: list[Release], ours: Release, expected: Expectation) -> Verdict:
    """Our chart failed; `fail_after` says how many versions of it have to."""
    attempts = [one for one in found if one.status == "failed" and _is_ours(one, expected)]
    failures, allowed = sum(_attempted_for_us(one, expected) for one in attempts), expected.target.fail_after
    rolled_back = bool(above) and above[-1].rollback and not above[-1].pending
    back = f"Helm rolled back to {told(above[-1].chart_version)}" if rolled_back else ""
    why = told(ours.description) or f"Helm failed to deploy {expected.chart_name} {ours.chart_version}"
    if allowed and failures >= allowed:
        return Failed("rolled-back" if rolled_back else "release-failed", sentences(why, back), _evidence(ours))
    if above and not above[0].pending and not above[0].rollback:
        return _superseded(ours, above[0], expected)
    limit = f" of {allowed}" if allowed else ""
    return Progressing(sentences(f"Attempt {failures}{limit} failed", why, back), _evidence(ours))


def _standing(objects: Objects, ours: Release, expected: Expectation) -> Verdict:
    chart = f"{expected.chart_name} {ours.chart_version}"
    if ours.status == "uninstalled":
        why = told(ours.description)
        return Failed("release-uninstalled", sentences(f"{chart} was uninstalled", why), _evidence(ours))
    if ours.status != "deployed":
        state = told(ours.description) or f"it is {ours.status or 'in no known state'}"
        return Progressing(f"Version {ours.number} has {chart}: {state}", _evidence(ours))
    if expected.reused:
        words = "another content had the same version right before, so nothing proves which of both is deployed"
        return Progressing(f"Version {ours.number} has {chart}: {words}", _evidence(ours))
    return _health(objects, ours, expected)


def _health(objects: Objects, ours: Release, expected: Expectation) -> Verdict:
    chart = f"{expected.chart_name} {ours.chart_version}"
    jobs = completed(ours, objects, expected.carried)
    standing = standing_of(ours, objects, jobs)
    if standing.failure and (standing.final or expected.target.fail_after):
        return Failed(standing.failure, sentences(f"{chart} is deployed", standing.message), _evidence(ours))
    if not standing.done:
        return Progressing(sentences(f"{chart} is deployed", standing.message), _evidence(ours), carrying(ours, jobs))
    how = "is still deployed, unchanged" if expected.unchanged else "is deployed"
    return Succeeded(sentences(f"{chart} {how}: {told(ours.description)}", standing.message), _evidence(ours))


def _replaced(ours: Release, above: list[Release], expected: Expectation) -> Verdict:
    """Something came on top of ours: a rollback means ours failed, a later deployment that it was not waited for."""
    newest, first = above[0], above[-1]
    if newest.pending:
        return _under_way(newest, expected)
    if first.rollback:
        why = f"{expected.chart_name} {ours.chart_version} was deployed, and then Helm rolled back"
        return Failed("rolled-back", sentences(f"{why} to {told(first.chart_version)}"), _evidence(ours))
    return _superseded(ours, newest, expected)


def _superseded(ours: Release, newest: Release, expected: Expectation) -> Superseded:
    later = next((one for one in expected.later if one.chart_version == newest.chart_version), None)
    who = f"deployment {later.deployment_id}" if later else "a change from outside DAG"
    message = f"Chart version {told(newest.chart_version)} from {who} came before {ours.chart_version} was seen healthy"
    by, commit = (later.deployment_id, later.commit) if later else ("", "")
    return Superseded(by, told(newest.chart_version), commit, message, _evidence(newest))


def _where(expected: Expectation) -> str:
    return f"Helm release {expected.target.namespace}/{expected.target.name}"


def _evidence(release: Release) -> Evidence:
    return Evidence(object=str(release.ref), revision=told(release.chart_version), reason=release.status)
