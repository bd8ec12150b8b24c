"""Helm's release secrets for tests, as Helm stores them and as a judge is shown them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import msgspec
import yaml
from flux_objects import TARGET
from flux_objects import expectation as flux_expectation

from dag_monitor.domain.expectation import Expectation, Ref
from dag_monitor.domain.helm_payload import release_of

Secrets = dict[Ref, Any]

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "podinfo"}}


def expectation(*, fail_after: int = 1, **changes: Any) -> Expectation:
    target = msgspec.structs.replace(TARGET, kind="helm", fail_after=fail_after)
    expected: Expectation = flux_expectation(**({"target": target} | changes))
    return expected


def encoded(content: bytes, *, zipped: bool = True) -> str:
    inner = base64.b64encode(gzip.compress(content, mtime=0) if zipped else content)
    return base64.b64encode(inner).decode()


def manifest(*objects: Any) -> str:
    return "".join(f"---\n# Source: podinfo/templates/one.yaml\n{yaml.safe_dump(obj)}" for obj in objects)


def payload(
    number: int, version: str, status: str, description: str = "", *, objects: tuple[Any, ...] = (), **info: Any
) -> dict[str, Any]:
    return {
        "name": "podinfo",
        "namespace": "default",
        "version": number,
        "info": {"status": status, "description": description, "last_deployed": begun(number), "notes": "Hi"} | info,
        "chart": {"metadata": {"name": "podinfo", "version": version}, "templates": [{"name": "a", "data": "eA=="}]},
        "config": {"replicas": 2},
        "manifest": manifest(*objects),
    }


def begun(number: int) -> str:
    """Versions to 3 were there before the push at ten, the others came after it."""
    return f"2026-09-01T{'09' if number <= 3 else '10'}:0{number}:00Z"


def stored(number: int, version: str, status: str, description: str = "", **more: Any) -> dict[str, Any]:
    """The secret as Helm writes it."""
    content = json.dumps(payload(number, version, status, description, **more)).encode()
    labels = {"name": "podinfo", "owner": "helm", "status": status, "version": str(number)}
    return {
        "metadata": {"name": f"sh.helm.release.v1.podinfo.v{number}", "namespace": "default", "labels": labels},
        "type": "helm.sh/release.v1",
        "data": {"release": encoded(content)},
    }


def release(number: int, version: str, status: str, description: str = "", **more: Any) -> Secrets:
    """The secret as the judge is shown it: without data, and read unless Helm is at work on it."""
    secret = stored(number, version, status, description, **more)
    metadata = secret["metadata"] | {
        "uid": f"u{number}",
        "resourceVersion": f"{number}/{status}",
        "creationTimestamp": begun(number),
    }
    shown: dict[str, Any] = {"kind": "PartialObjectMetadata", "metadata": metadata}
    if not status.startswith("pending-"):
        shown["release"] = release_of(secret["data"]["release"])
    return {Ref("Secret", "default", metadata["name"]): shown}


def unread(secrets: Secrets, trouble: str = "") -> Secrets:
    """As long as nobody could read them."""
    return {
        ref: {"metadata": secret["metadata"]} | ({"trouble": trouble} if trouble else {})
        for ref, secret in secrets.items()
    }
