"""The ready-made CI files as their systems read them: inputs filled in, the script and its variables taken out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
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


def gitlab_job(**inputs: Any) -> dict[str, Any]:
    """The template's job. Underscores stand for hyphens.

    Inputs are put into the text before it is YAML, lists and numbers as JSON (GitLab,
    `lib/gitlab/ci/config/interpolation/text_template.rb`).
    """
    values = _values(gitlab_spec(), inputs)
    text = GITLAB.read_text().split("\n---\n", 1)[1]
    job: dict[str, Any] = yaml.safe_load(re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", _written(values), text))
    return job


def gitlab_environ(variables: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """A job's variables beside the predefined ones, as a runner sets them: expanded where nothing forbids it.

    `expand: false` leaves one as it is (GitLab, `doc/ci/yaml/_index.md`, `variables:expand`).
    """

    def expanded(said: Any) -> str:
        if isinstance(said, dict):
            return str(said["value"]) if not said.get("expand", True) else expanded(said["value"])
        return re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda found: given.get(found[1] or found[2], ""), said)

    return {**{name: expanded(said) for name, said in variables.items()}, **given}


def github_spec() -> dict[str, dict[str, Any]]:
    """What the action may be told, by name."""
    inputs: dict[str, dict[str, Any]] = yaml.safe_load(GITHUB.read_text())["inputs"]
    return inputs


def github_step(**inputs: str) -> dict[str, Any]:
    """The action's only step (GitHub, `content/actions/reference/workflows-and-actions/metadata-syntax`)."""
    values = _values(github_spec(), inputs)
    (step,) = yaml.safe_load(GITHUB.read_text())["runs"]["steps"]

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", _written(values), text)

    return {"run": step["run"], "env": {name: filled(value) for name, value in step["env"].items()}}


def _values(spec: dict[str, dict[str, Any]], inputs: dict[str, Any]) -> dict[str, Any]:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert set(given) <= set(spec), f"there is no input {set(given) - set(spec)}"
    values = {name: given.get(name, one.get("default")) for name, one in spec.items()}
    assert None not in values.values(), f"{values} lacks what is mandatory"
    return values


def _written(values: dict[str, Any]) -> Callable[[re.Match[str]], str]:
    def write(found: re.Match[str]) -> str:
        value = values[found.group(1)]
        return value if isinstance(value, str) else json.dumps(value)

    return write
