"""What is read of a release secret's payload, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from helm_objects import DEPLOYMENT, encoded, manifest, payload
from hypothesis import given
from hypothesis import strategies as st

from dag_common.errors import Invalid
from dag_monitor.domain.helm_manifest import workloads_in
from dag_monitor.domain.helm_payload import release_of

RELEASE = payload(4, "1.2.3", "deployed", "Upgrade complete", objects=(DEPLOYMENT,))


def read(content: Any, *, zipped: bool = True) -> dict[str, Any]:
    return release_of(encoded(json.dumps(content).encode(), zipped=zipped))


def named(kind: str, name: str, group: str = "apps/v1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name} | metadata}


@pytest.mark.parametrize("zipped", [True, False])
def test_only_what_counts_is_kept(*, zipped: bool) -> None:
    assert read(RELEASE, zipped=zipped) == {
        "name": "podinfo",
        "version": 4,
        "info": {
            "status": "deployed",
            "description": "Upgrade complete",
            "last_deployed": "2026-09-01T10:04:00Z",
            "rollback_revision": 0,
        },
        "chart": {"metadata": {"name": "podinfo", "version": "1.2.3"}},
        "workloads": [{"kind": "Deployment", "namespace": "", "name": "podinfo"}],
    }


def test_a_payload_beyond_the_bounds_is_not_read() -> None:
    with pytest.raises(Invalid, match="larger than 32 MiB"):
        read(RELEASE | {"config": "0" * (33 << 20)})
    with pytest.raises(Invalid, match="larger than 3 MiB"):
        release_of("A" * (4 << 20))
    with pytest.raises(Invalid, match="too large to be searched"):
        read(RELEASE | {"manifest": "kind: Job\ntext: " + "x" * (4 << 20)})


def test_an_endless_description_is_cut() -> None:
    assert len(read(payload(4, "1.2.3", "failed", "x" * 100_000))["info"]["description"]) == 4096


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b"{", b'{"name":"planted-secret","version":"4"}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_release_is_refused_and_not_quoted(content: bytes) -> None:
    with pytest.raises(Invalid, match="holds no Helm release") as refused:
        release_of(encoded(content))
    assert "planted-secret" not in str(refused.value)


def test_a_payload_cut_short_is_not_read() -> None:
    whole = base64.b64decode(base64.b64decode(encoded(json.dumps(RELEASE).encode())))
    with pytest.raises(Invalid, match="holds no Helm release"):
        release_of(base64.b64encode(base64.b64encode(whole[:-9])).decode())


@given(st.binary(max_size=60))
def test_random_bytes_are_no_release(content: bytes) -> None:
    with pytest.raises(Invalid):
        release_of(content.decode("latin-1"))


def test_the_four_kinds_of_workloads_are_found_wherever_they_stand() -> None:
    objects = (
        named("ConfigMap", "text", "v1") | {"data": {"kind": "Job\n"}},
        named("Deployment", "web"),
        named("StatefulSet", "db", namespace="data"),
        {"apiVersion": "v1", "kind": "List", "items": [named("DaemonSet", "agent"), named("Job", "seed", "batch/v1")]},
        named("Job", "other", "batch.volcano.sh/v1alpha1"),
        named("Deployment", ""),
    )
    assert [(one["kind"], one["namespace"], one["name"]) for one in workloads_in(manifest(*objects))] == [
        ("Deployment", "", "web"),
        ("StatefulSet", "data", "db"),
        ("DaemonSet", "", "agent"),
        ("Job", "", "seed"),
    ]


def test_a_manifest_that_cannot_be_read_is_not_taken_for_one_without_workloads() -> None:
    with pytest.raises(Invalid, match=r"the release's manifest, line 2"):
        workloads_in("kind: [Deployment")
