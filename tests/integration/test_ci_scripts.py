"""What the ready-made CI files call `dag` with; it is played by a script that writes down how it was called."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ci_templates import GITHUB, github_step, gitlab_environ, gitlab_job

PYTHON = Path(sys.executable).resolve()
SERVER = "https://dag.example.com"
NASTY = ['say "hi"', 'x","image.repository=evil', "x\nimage.repository=evil", "$(evil) `evil` 'evil' \\", "$HOME $$ *"]
RECORDING = """import json, os, sys

def main():
    with open(os.environ["CALLED"], "w") as file:
        json.dump(sys.argv[1:], file)
    sys.exit(7)
"""
PACKAGE = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "recording.py": RECORDING,
    "backend.py": """import zipfile

def build_wheel(into, config_settings=None, metadata_directory=None):
    name = "recording-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{into}/{name}", "w") as wheel:
        about = "recording-1.0.dist-info"
        wheel.write("recording.py")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: recording\\nVersion: 1.0\\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\\ndag = recording:main\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return name
""",
}
"""A project that pip builds and installs without asking an index for anything; its `dag` says how it was called."""


@dataclass(frozen=True)
class Ran:
    code: int
    err: str
    called: list[str] | None


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with a Python and what every image has, but no `dag`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(PYTHON)
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    assert shutil.which("dag", path=path) is None
    return path


@pytest.fixture
def with_dag(tmp_path: Path, path: str) -> str:
    dag = tmp_path / "bin/dag"
    dag.write_text(f"#!{PYTHON}\n{RECORDING}\nmain()\n")
    dag.chmod(0o755)
    return path


async def run(command: list[str], environ: Mapping[str, str], cwd: Path) -> Ran:
    called = cwd / "called.json"
    process = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, env={"CALLED": str(called), **environ}, cwd=cwd
    )
    _, err = await asyncio.wait_for(process.communicate(), 90)
    return Ran(process.returncode or 0, err.decode(), json.loads(called.read_text()) if called.exists() else None)


async def gitlab(cwd: Path, given: Mapping[str, str], **inputs: Any) -> Ran:
    (job,) = gitlab_job(server=SERVER, **inputs).values()
    return await run(["sh", "-ec", "\n".join(job["script"])], gitlab_environ(job["variables"], given), cwd)


async def github(cwd: Path, given: Mapping[str, str], **inputs: str) -> Ran:
    step = github_step(server=SERVER, **inputs)
    environ = {"GITHUB_ACTION_PATH": str(GITHUB.parent), **given, **step["env"]}
    return await run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], environ, cwd)


@pytest.mark.parametrize("title", NASTY)
async def test_what_a_variable_holds_is_a_value_and_nothing_else(tmp_path: Path, with_dag: str, title: str) -> None:
    given = {"PATH": with_dag, "CI_COMMIT_TITLE": title}
    settings = ["a=$CI_COMMIT_TITLE!", "b=${CI_COMMIT_TITLE}", "c=$$CI_COMMIT_TITLE $(d) 5$"]
    flags = [part for value in (f"a={title}!", f"b={title}", "c=$CI_COMMIT_TITLE $(d) 5$") for part in ("--set", value)]
    told = await gitlab(tmp_path, given, set=settings)
    assert (told.code, told.called) == (7, ["deploy", "./chart", *flags]), told
    told = await github(tmp_path, given, set="\n".join(settings))
    assert (told.code, told.called) == (7, ["deploy", "./chart", *flags]), told


async def test_a_variable_that_is_not_set_stops_the_deployment(tmp_path: Path, with_dag: str) -> None:
    for told in (
        await gitlab(tmp_path, {"PATH": with_dag}, set=["image.tag=$TYPO"]),
        await github(tmp_path, {"PATH": with_dag}, set="image.tag=$TYPO"),
    ):
        assert (told.code, told.called) == (2, None)
        assert "$TYPO, which is not set; nothing was deployed" in told.err


@pytest.mark.parametrize("said", ["", "[", "[1]"])
async def test_settings_that_cannot_be_read_stop_the_deployment(tmp_path: Path, with_dag: str, said: str) -> None:
    (job,) = gitlab_job(server=SERVER).values()
    environ = gitlab_environ(job["variables"], {"PATH": with_dag, "DAG_SET": said})
    told = await run(["sh", "-c", "\n".join(job["script"])], environ, tmp_path)
    assert told.code != 0
    assert told.called is None


async def test_where_there_is_no_dag_the_client_that_is_named_is_installed(tmp_path: Path, path: str) -> None:
    source = package(tmp_path / "client")
    told = await gitlab(tmp_path, {"PATH": path}, client=source, chart="my chart", values_file="a b.yaml")
    assert (told.code, told.called) == (7, ["deploy", "my chart", "--values-file", "a b.yaml"]), told
    told = await github(tmp_path, {"PATH": path}, client=source, chart="my chart", values_file="a b.yaml")
    assert (told.code, told.called) == (7, ["deploy", "my chart", "--values-file", "a b.yaml"]), told


async def test_githubs_action_installs_the_client_of_its_own_revision(tmp_path: Path, path: str) -> None:
    action = tmp_path / "revision/deploy/ci/github"
    shutil.copytree(GITHUB.parent, action)
    package(tmp_path / "revision/libs/client")
    told = await github(tmp_path, {"PATH": path, "GITHUB_ACTION_PATH": str(action)})
    assert (told.code, told.called) == (7, ["deploy", "./chart"]), told


async def test_gitlabs_template_installs_nothing_that_was_not_named(tmp_path: Path, path: str) -> None:
    told = await gitlab(tmp_path, {"PATH": path})
    assert (told.code, told.called) == (2, None)
    assert "say in the input client" in told.err


def package(at: Path) -> str:
    at.mkdir(parents=True)
    for name, content in PACKAGE.items():
        (at / name).write_text(content)
    return str(at)
