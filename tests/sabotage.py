"""Takes out, one by one, the lines that guarantees rest on, and sees a test go red for each: a suite that cannot fail
proves nothing.

make sabotage               all of them
make sabotage ARGS=ack      those with this word in their name

Works on copies of the tracked files; the tree itself is not touched. Exit code 1 if something was not noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STORE = "libs/common/src/dag_common/store"


@dataclass(frozen=True, slots=True)
class Sabotage:
    """In `file`, `line` becomes `instead`; one of `tests` must go red."""

    name: str
    file: str
    line: str
    instead: str
    tests: tuple[str, ...]


SABOTAGES = (
    Sabotage(
        "the trailer search before a push",
        "services/pusher/src/dag_pusher/git.py",
        "return find_deployments(self._repository, bases, self._base.commit) if self._base else {}",
        "return {}",
        ("tests/integration/test_git_push.py", "tests/integration/test_group_commit.py"),
    ),
    Sabotage(
        "the expected version on append",
        f"{STORE}/migrations/0001_event_log.sql",
        "IF newest + 1 <> (item ->> 'version')::integer THEN",
        "IF false THEN",
        ("tests/integration/test_event_log.py",),
    ),
    Sabotage(
        "the counter row",
        f"{STORE}/migrations/0001_event_log.sql",
        "SELECT * INTO STRICT head FROM dag.log_head FOR UPDATE;",
        "SELECT * INTO STRICT head FROM dag.log_head;",
        ("tests/integration/test_event_log.py",),
    ),
    Sabotage(
        "the ack after the commit",
        "libs/common/src/dag_common/delivery/receiver.py",
        "        verdict = await self._handle(delivery)",
        "        await delivery.ack()\n        verdict = await self._handle(delivery)",
        ("tests/unit/test_delivery_receiver.py", "tests/acceptance/test_killed_services.py"),
    ),
    Sabotage(
        "the replay after Last-Event-ID",
        "services/gateway/src/dag_gateway/http/streams.py",
        "    yield from _missed(state, records, last_event_id)\n",
        "",
        ("tests/integration/test_gateway_streams.py",),
    ),
    Sabotage(
        "the difference to a fresh list after a lost watch",
        "services/monitor/src/dag_monitor/cluster/replica.py",
        "return changed | gone",
        "return changed",
        ("tests/unit/test_reflector_faults.py", "tests/unit/test_reflector_properties.py"),
    ),
    Sabotage(
        "the claim of a request",
        f"{STORE}/sql/claim_request.sql",
        "ON CONFLICT (key) DO NOTHING",
        "ON CONFLICT (key) DO UPDATE SET deployment_id = excluded.deployment_id",
        ("tests/integration/test_gateway_deploy.py",),
    ),
    Sabotage(
        "the claim of a one-time token",
        "services/gateway/src/dag_gateway/handlers/request.py",
        "    if checked.one_time:\n",
        "    if False:\n",
        ("tests/integration/test_identity_one_time.py",),
    ),
    Sabotage(
        "the place of what changed nothing in a chain that arrived",
        "services/pusher/src/dag_pusher/domain/plan.py",
        "step = _passed(candidate, found, place) or _step(",
        "step = _step(",
        ("tests/unit/test_push_plan.py", "tests/unit/test_push_plan_properties.py"),
    ),
    Sabotage(
        "the move of the branch before the end of what may still arrive",
        "services/pusher/src/dag_pusher/git.py",
        "doubtful = frozenset(step.candidate.deployment_id for step in unusable) & self._doubtful(charts)",
        "doubtful: frozenset[DeploymentId] = frozenset()",
        ("tests/unit/test_lost_pushes.py",),
    ),
    Sabotage(
        "the touch that only counts on what was touched last",
        f"{STORE}/sql/touch_watches.sql",
        "IS NULL OR",
        "IS NULL OR true OR",
        ("tests/integration/test_takeover.py",),
    ),
)


def main(word: str) -> int:
    """Try each whose name has this word in it; prints a line each."""
    chosen = [each for each in SABOTAGES if word in each.name]
    _see_green(sorted({test for each in chosen for test in each.tests}))
    unnoticed = [each.name for each in chosen if not _noticed(each)]
    return 1 if unnoticed else 0


def _see_green(tests: list[str]) -> None:
    """A test that is red without any sabotage notices nothing."""
    with tempfile.TemporaryDirectory(prefix="sabotage-") as directory:
        _copy(Path(directory))
        red = _red(tuple(tests), Path(directory))
    if red:
        sys.exit(f"red without any sabotage: {red}")


def _noticed(sabotage: Sabotage) -> bool:
    with tempfile.TemporaryDirectory(prefix="sabotage-") as directory:
        tree = Path(directory)
        _copy(tree)
        _apply(sabotage, tree / sabotage.file)
        red = _red(sabotage.tests, tree)
    print(f"{'noticed' if red else 'NOT NOTICED':<12} without {sabotage.name}{f': {red}' if red else ''}", flush=True)  # noqa: T201
    return bool(red)


def _copy(tree: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


def _apply(sabotage: Sabotage, file: Path) -> None:
    text = file.read_text()
    assert text.count(sabotage.line) == 1, f"{sabotage.file} has no such line any more: {sabotage.line!r}"
    file.write_text(text.replace(sabotage.line, sabotage.instead))


def _red(tests: tuple[str, ...], tree: Path) -> str:
    """The first test that failed; empty if none did."""
    sources = os.pathsep.join(str(source) for source in sorted(tree.glob("*/*/src")))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    failed = [line.split(" ")[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    assert done.returncode in (0, 1), f"the tests could not run:\n{done.stdout}\n{done.stderr}"
    return failed[0].partition("::")[2] if failed else ""


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
