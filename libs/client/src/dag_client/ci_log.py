"""What CI systems show beside the log: GitHub's error annotation and step summary, GitLab's folding section.

GitHub: docs.github.com `actions/reference/workflows-and-actions/workflow-commands`. GitLab: docs.gitlab.com
`ci/jobs/job_logs`, custom collapsible sections.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dag_client.ci import detect
from dag_client.clock import now


@contextmanager
def section(environ: Mapping[str, str], title: str) -> Iterator[None]:
    """Fold the lines printed meanwhile under `title`, where the CI system can."""
    system = detect(environ).system
    start, end = _marks(system, title)
    _say(start)
    try:
        yield
    finally:
        _say(end.format(seconds=int(now().timestamp())))


def _marks(system: str, title: str) -> tuple[str, str]:
    if system == "gitlab":
        seconds = int(now().timestamp())
        return (
            f"\x1b[0Ksection_start:{seconds}:dag_deploy_{seconds}\r\x1b[0K{title}",
            f"\x1b[0Ksection_end:{{seconds}}:dag_deploy_{seconds}\r\x1b[0K",
        )
    return (f"::group::{title}", "::endgroup::") if system == "github" else ("", "")


def report(environ: Mapping[str, str], headline: str, message: str, *, failed: bool) -> None:
    """Show the end where people look first: an annotation if it failed, and the step's summary page."""
    if detect(environ).system != "github":
        return
    if failed:
        _say(f"::error title={_escaped(headline, ':,')}::{_escaped(message)}")
    summary = environ.get("GITHUB_STEP_SUMMARY", "")
    if summary:
        _append(Path(summary), f"### {'❌' if failed else '✅'} {headline}\n\n{_fenced(message)}\n")


def _append(summary: Path, text: str) -> None:
    """A page that cannot be written is told, and changes nothing of how the deployment ended."""
    try:
        with summary.open("a", encoding="utf-8") as page:
            page.write(text)
    except OSError as error:
        print(f"The step's summary cannot be written ({error.strerror}).", file=sys.stderr)  # noqa: T201 - output


def inert(environ: Mapping[str, str], text: str) -> str:
    """Text of others for a GitHub log, in which a line that begins with two colons would be a command."""
    return re.sub(r"(?m)^(?=\s*::)", "> ", text) if detect(environ).system == "github" else text


def _fenced(message: str) -> str:
    """As it is: a message may quote a cluster, and Markdown in it must stay text."""
    fence = "`" * (max((len(run) for run in message.split() if set(run) == {"`"}), default=2) + 1)
    return f"{fence}text\n{message}\n{fence}"


def _escaped(text: str, more: str = "") -> str:
    """As in GitHub actions/toolkit `packages/core/src/command.ts`; `more` are the letters that end a property."""
    for letter in "%\r\n" + more:
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def _say(line: str) -> None:
    if line:
        print(line, flush=True)  # noqa: T201 - output
