"""Flux objects for tests: the fixtures in `unit/fixtures/flux`, changed where a test says so."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from dag_common.contracts.events import RolloutTarget
from dag_monitor.domain.expectation import Expectation, Objects, Ref

FIXTURES = Path(__file__).parent / "unit" / "fixtures" / "flux"
OURS = "4d1c3a9be0f7c2d1e0a9b8c7d6e5f4a3b2c1d0e9"
EARLIER = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
NEWER = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
PUSHED_AT = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)
TARGET = RolloutTarget(kind="flux", cluster="prod", namespace="default", name="podinfo", timeout_seconds=600)
RELEASE = Ref("HelmRelease", "default", "podinfo")
CHART = Ref("HelmChart", "flux-system", "default-podinfo")
REPOSITORY = Ref("GitRepository", "flux-system", "iac")
STATES = sorted(path.stem for path in FIXTURES.glob("*.yaml") if path.stem != "base")


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch; lists are replaced as a whole."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def flux(state: str, *, release: Any = None, chart: Any = None, repository: Any = None) -> dict[Ref, Any]:
    """The three objects in a fixture's state, each with a merge patch on top."""
    base = yaml.safe_load((FIXTURES / "base.yaml").read_text())
    fixture = yaml.safe_load((FIXTURES / f"{state}.yaml").read_text())
    return {
        RELEASE: merged(merged(base["helmrelease"], fixture), release or {}),
        CHART: merged(base["helmchart"], chart or {}),
        REPOSITORY: merged(base["gitrepository"], repository or {}),
    }


def without(objects: Objects, *refs: Ref) -> dict[Ref, Any]:
    """The objects but for some."""
    return {ref: obj for ref, obj in objects.items() if ref not in refs}


def condition(objects: Objects, type_: str, ref: Ref = RELEASE, **changes: Any) -> dict[Ref, Any]:
    """The objects with one condition changed, added, or (status None) taken away."""
    changed: dict[Ref, Any] = copy.deepcopy(dict(objects))
    status = changed[ref].setdefault("status", {})
    kept = [one for one in status.get("conditions", []) if one["type"] != type_]
    before = next((one for one in status.get("conditions", []) if one["type"] == type_), {"type": type_, "message": ""})
    if changes.get("status", "") is not None:
        kept.append(before | changes)
    status["conditions"] = kept
    return changed


def expectation(**changes: Any) -> Expectation:
    """Our 1.2.3 over 1.2.2, as the fixtures have it."""
    values: dict[str, Any] = {
        "target": TARGET,
        "chart_name": "podinfo",
        "chart_version": "1.2.3",
        "previous_chart_version": "1.2.2",
        "url": "https://git.example.com/iac.git",
        "branch": "main",
        "path": "charts/podinfo",
        "commit": OURS,
        "unchanged": False,
        "pushed_at": PUSHED_AT,
        "content_since": PUSHED_AT,
    }
    return Expectation(**(values | changes))
