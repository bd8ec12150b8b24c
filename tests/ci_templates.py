"""The ready-made CI files as their systems read them: inputs filled in, the script and its variables taken out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

CI = Path(__file__).parents[1] / "deploy/ci"
GITLAB = CI / "gitlab/dag-deploy.yml"
GITHUB = CI / "github/action.yml"


def gitlab_spec() -> dict[str, dict[str, Any]]:
    """What the template may be told, by name."""
    inputs: dict[str, dict[str, Any]] = next(iter(yaml.safe_load_all(GITLAB.read_text())))["spec"]["inputs"]
    return inputs


def gitlab_job(**inputs: str) -> dict[str, Any]:
    """The template's job (GitLab, `doc/ci/inputs`: inputs are put into the text). Underscores stand for hyphens."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    values = {name: given.pop(name, spec.get("default")) for name, spec in gitlab_spec().items()}
    assert not given, f"the template has no {given}"
    assert None not in values.values(), f"{values} lacks what is mandatory"
    job = list(yaml.safe_load_all(GITLAB.read_text()))[1]
    filled: dict[str, Any] = _filled(job, lambda text: re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", _from(values), text))
    return filled


def github_spec() -> dict[str, dict[str, Any]]:
    """What the action may be told, by name."""
    inputs: dict[str, dict[str, Any]] = yaml.safe_load(GITHUB.read_text())["inputs"]
    return inputs


def github_step(**inputs: str) -> dict[str, Any]:
    """The action's only step (GitHub, `content/actions/reference/workflows-and-actions/metadata-syntax`)."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    values = {name: given.pop(name, spec.get("default")) for name, spec in github_spec().items()}
    assert not given, f"the action has no {given}"
    assert None not in values.values(), f"{values} lacks what is mandatory"
    (step,) = yaml.safe_load(GITHUB.read_text())["runs"]["steps"]
    filled: dict[str, Any] = _filled(step, lambda text: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", _from(values), text))
    return filled


def _from(values: dict[str, Any]) -> Any:
    return lambda found: str(values[found.group(1)])


def _filled(node: Any, fill: Any) -> Any:
    if isinstance(node, dict):
        return {_filled(key, fill): _filled(value, fill) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(item, fill) for item in node]
    return fill(node) if isinstance(node, str) else node
