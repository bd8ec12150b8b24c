"""What the judge over Helm's release secrets says, secret by secret."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from flux_objects import NEWER, PUSHED_AT, TARGET
from flux_objects import expectation as flux_expectation
from hypothesis import given
from hypothesis import strategies as st

from dag_monitor.domain.expectation import Expectation, Later, Ref
from dag_monitor.domain.helm import assess
from dag_monitor.domain.helm_payload import release_of
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict

Secrets = dict[Ref, Any]


def expectation(**changes: Any) -> Expectation:
    target = msgspec.structs.replace(TARGET, kind="helm")
    expected: Expectation = flux_expectation(**({"target": target} | changes))
    return expected


def encoded(content: bytes, *, zipped: bool = True) -> str:
    inner = base64.b64encode(gzip.compress(content, mtime=0) if zipped else content)
    return base64.b64encode(inner).decode()


def release(number: int, version: str, status: str, description: str = "", **info: Any) -> Secrets:
    payload = {
        "name": "podinfo",
        "version": number,
        "info": {"status": status, "description": description, "last_deployed": f"2026-09-01T10:0{number}:00Z"} | info,
        "chart": {"metadata": {"name": "podinfo", "version": version}},
    }
    labels = {"name": "podinfo", "owner": "helm", "status": status, "version": str(number)}
    name = f"sh.helm.release.v1.podinfo.v{number}"
    secret = {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "type": "helm.sh/release.v1",
        "data": {"release": encoded(json.dumps(payload).encode())},
    }
    return {Ref("Secret", "default", name): secret}


OLD = release(3, "1.2.2", "deployed", "Upgrade complete")
OLD_GONE = release(3, "1.2.2", "superseded", "Upgrade complete")
PENDING = release(4, "1.2.3", "pending-upgrade", "Preparing upgrade")
DONE = release(4, "1.2.3", "deployed", "Upgrade complete")
BROKE = release(4, "1.2.3", "failed", 'Upgrade "podinfo" failed: context deadline exceeded')
ROLLING_BACK = release(5, "1.2.2", "pending-rollback", "Preparing rollback")
BACK = release(5, "1.2.2", "deployed", "Rollback to 3")


def unreadable(secrets: Secrets, data: Any) -> Secrets:
    return {ref: {**secret, "data": data} for ref, secret in secrets.items()}


def test_our_chart_deployed_with_nothing_above_it_is_a_success() -> None:
    verdict = assess(OLD_GONE | DONE, expectation())
    assert isinstance(verdict, Succeeded)
    assert verdict.message == "podinfo 1.2.3 is deployed: Upgrade complete."
    assert verdict.evidence.object == "Secret default/sh.helm.release.v1.podinfo.v4"


@pytest.mark.parametrize(
    ("secrets", "verdict"),
    [
        ({}, Progressing),
        (OLD, Progressing),
        (OLD | PENDING, Progressing),
        (OLD | BROKE, Failed),
        (OLD | BROKE | ROLLING_BACK, Failed),
        (OLD_GONE | BROKE | BACK, Failed),
        (release(4, "1.2.3", "superseded") | release(5, "1.2.2", "deployed", "Rolled", rollback_revision=3), Failed),
        (release(4, "1.2.3", "uninstalled"), Failed),
        (release(4, "1.2.3", "unknown"), Progressing),
        (DONE | release(5, "1.2.4", "pending-upgrade"), Progressing),
        (release(4, "1.2.3", "superseded") | release(5, "1.2.4", "deployed"), Superseded),
        (BROKE | release(5, "1.2.2", "deployed", "Rollback to 3") | release(6, "1.2.3", "deployed"), Succeeded),
        (release(4, "1.2.3+other", "deployed"), Progressing),
    ],
)
def test_the_highest_version_with_our_chart_decides(secrets: Secrets, verdict: type[Verdict]) -> None:
    assert isinstance(assess(secrets, expectation()), verdict)
    assert isinstance(assess(dict(reversed(secrets.items())), expectation()), verdict)


def test_a_rollback_is_told_with_its_cause() -> None:
    verdict = assess(OLD_GONE | BROKE | BACK, expectation())
    assert isinstance(verdict, Failed)
    assert verdict.reason == "rolled-back"
    assert verdict.message == 'Upgrade "podinfo" failed: context deadline exceeded. Helm rolled back to 1.2.2.'


def test_a_later_deployment_supersedes_ours_by_name() -> None:
    secrets = release(4, "1.2.3", "superseded") | release(5, "1.2.4", "deployed")
    verdict = assess(secrets, expectation(later=(Later("dep_2", "1.2.4", NEWER),)))
    assert isinstance(verdict, Superseded)
    assert (verdict.by, verdict.version, verdict.commit) == ("dep_2", "1.2.4", NEWER)


def test_labels_alone_prove_nothing() -> None:
    (secret,) = DONE.values()
    swapped = {ref: {**secret, "data": old["data"]} for (ref, old) in zip(DONE, OLD.values(), strict=True)}
    verdict = assess(swapped, expectation())
    assert isinstance(verdict, Progressing)
    assert "cannot be read" in verdict.message


def test_a_newer_version_that_cannot_be_read_keeps_the_verdict_open() -> None:
    assert isinstance(assess(DONE | unreadable(BACK, None), expectation()), Progressing)
    assert isinstance(assess(unreadable(OLD, None) | DONE, expectation()), Succeeded)


def test_another_release_or_another_namespace_is_not_looked_at() -> None:
    ((ref, secret),) = DONE.items()
    named = {ref: {**secret, "metadata": {**secret["metadata"], "labels": {"name": "other", "owner": "helm"}}}}
    assert isinstance(assess(named, expectation()), Progressing)
    assert isinstance(assess({Ref("Secret", "other", ref.name): secret}, expectation()), Progressing)


def test_a_release_from_before_our_content_or_of_a_reused_version_proves_nothing() -> None:
    late = expectation(content_since=PUSHED_AT + timedelta(hours=1))
    assert isinstance(assess(DONE, late), Progressing)
    assert isinstance(assess(DONE, expectation(reused=True)), Progressing)


def test_no_write_before_the_last_one_is_a_success() -> None:
    writes = [OLD, PENDING, OLD_GONE, DONE]
    seen: Secrets = {}
    verdicts = []
    for write in writes:
        seen = seen | write
        verdicts.append(type(assess(seen, expectation())))
    assert verdicts == [Progressing, Progressing, Progressing, Succeeded]


def test_a_rolled_back_upgrade_is_no_success_at_any_write() -> None:
    seen: Secrets = {}
    for write in [OLD, PENDING, OLD, BROKE, ROLLING_BACK, OLD_GONE, BACK]:
        seen = seen | write
        assert not isinstance(assess(seen, expectation()), Succeeded)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_a_payload_is_read_as_helm_writes_it(payload: dict[str, Any]) -> None:
    content = json.dumps(payload).encode()
    assert release_of(encoded(content)) == payload
    assert release_of(encoded(content, zipped=False)) == payload


def test_a_payload_beyond_the_bounds_is_not_read() -> None:
    assert release_of(encoded(b'"' + b"0" * (33 << 20) + b'"')) is None
    assert release_of("A" * (4 << 20)) is None


@pytest.mark.parametrize(
    "data", [None, [], "text", {}, {"release": 7}, {"release": "é"}, {"release": "QUJD"}, {"release": encoded(b"[]")}]
)
def test_odd_secrets_never_raise_and_never_succeed(data: Any) -> None:
    assert isinstance(assess(unreadable(DONE, data), expectation()), Progressing)


def test_a_payload_cut_short_is_not_read() -> None:
    whole = base64.b64decode(base64.b64decode(encoded(b'{"version": 4}')))
    assert release_of(base64.b64encode(base64.b64encode(whole[:-9])).decode()) is None


@given(st.binary(max_size=60))
def test_random_bytes_are_no_release(content: bytes) -> None:
    assert release_of(content.decode("latin-1")) is None
