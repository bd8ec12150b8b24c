"""Which code a service process runs: today's, or what this repository's history keeps of an earlier day."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[3]
PACKAGES: Final = {
    "dag_common": "libs/common/src",
    "dag_gateway": "services/gateway/src",
    "dag_pusher": "services/pusher/src",
    "dag_monitor": "services/monitor/src",
}

WHERE: Final = f"import {', '.join(PACKAGES)}; print({'.__file__, '.join(PACKAGES)}.__file__, sep='\\n')"
"""Tells which files an interpreter loads."""

LAST_LANDED: Final = "0f7e41d3fa25ae661e2d057c8370c9bcdcacefbe"
"""The code an upgrade begins with: the last state that landed before events, schema and services changed again."""


@dataclass(frozen=True, slots=True)
class Code:
    """`mark` ends the names of processes that run it; `variables` make an interpreter find it."""

    mark: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Run `python <arguments>` on this code to its end; returns what it printed, fails with what went wrong."""
        told = {**variables, **self.variables} if variables else self.variables
        return _run(sys.executable, *arguments, variables=told).decode()

    def migrate(self, database_url: str) -> None:
        """Bring a database to the schema this code knows."""
        self.run("-m", "dag_common.store.migrate", variables={"DAG_DATABASE_URL": database_url})


TODAY: Final = Code()


def past(directory: Path, commit: str = LAST_LANDED) -> Code:
    """The code of a commit, taken from git's history into `directory`; fails if a process would load anything else."""
    archive = _archive(commit)
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(directory, filter="data")
    sources = ":".join(str(directory / source) for source in PACKAGES.values())
    code = Code(mark="-past", variables={"PYTHONPATH": sources})
    strangers = [path for path in code.run("-c", WHERE).splitlines() if not Path(path).is_relative_to(directory)]
    assert not strangers, f"a process of the past would load {strangers}"
    return code


def _archive(commit: str) -> bytes:
    """The commit's sources; a checkout without its history asks where it came from for this one commit."""
    git = ("git", "-C", str(REPOSITORY))
    try:
        if subprocess.run((*git, "cat-file", "-e", commit), capture_output=True, check=False).returncode:
            _run(*git, "fetch", "--quiet", "--depth=1", "origin", commit)
        return _run(*git, "archive", commit, *PACKAGES.values())
    except AssertionError as exc:
        raise AssertionError(
            f"commit {commit} is not in this checkout, and upgrades are tried with its code: "
            "take all of the history with `git fetch --unshallow`"
        ) from exc


def _run(*command: str, variables: Mapping[str, str] | None = None) -> bytes:
    done = subprocess.run(command, env={**os.environ, **(variables or {})}, capture_output=True, check=False)
    assert done.returncode == 0, f"{command[:4]} ended with {done.returncode}: {done.stderr.decode(errors='replace')}"
    return done.stdout
