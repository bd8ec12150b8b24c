"""The commands that CI jobs of an earlier server call: same flags, variables, detection; exit codes 0 and 1 only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from dag_client import command, session
from dag_client import options as flag
from dag_client.answers import Refusal
from dag_client.call import Call, complete_for
from dag_client.ci import TO_LET_GITHUB_ASK, detect
from dag_client.errors import ClientError, Misused
from dag_client.flag_groups import CallFlags, ChartFlags, grouped
from dag_client.views import Lines

GITHUB_ADVICE = f"""GITHUB_TOKEN does not say which run it belongs to, so DAG does not take it.
Call `dag` instead, which proves the job by an ID token; {TO_LET_GITHUB_ASK}"""


@grouped
def deploy(chart: flag.Chart, caller: CallFlags, what: ChartFlags) -> None:
    """Deploy a chart folder or .tgz and wait for its end (dag deploy does the same and more)."""
    call = _call(caller)
    if not what.deploy_version.strip():
        raise Misused("Missing: --deploy-version (DAG_DEPLOY_VERSION).")
    command.run(session.deploy(call, what.deploy_version, what.pack(chart), Lines()))


@grouped
def get_chart(output: flag.Output, caller: CallFlags) -> None:
    """Write the chart that is deployed now, as a .tgz."""
    command.write_chart(_call(caller), output)


@grouped
def get_values(caller: CallFlags) -> None:
    """Print the values that are deployed now, as JSON."""
    command.print_values(_call(caller))


def deploy_main() -> None:
    """Entry point of `dag-deploy`."""
    _main("dag-deploy", deploy)


def get_chart_main() -> None:
    """Entry point of `dag-get-chart`."""
    _main("dag-get-chart", get_chart)


def get_values_main() -> None:
    """Entry point of `dag-get-values`."""
    _main("dag-get-values", get_values)


def _call(caller: CallFlags) -> Call:
    return complete_for(detect(os.environ), caller.given())


def _main(name: str, function: Callable[..., Any]) -> None:
    app = typer.Typer(name=name, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(name)(function)
    sys.exit(min(1, command.guarded(app, told=_told)))


def _told(error: ClientError) -> str:
    """A refusal as the earlier clients printed it, with the answer's body as it came; and what it means on GitHub."""
    if not isinstance(error, Refusal):
        return str(error)
    told = f"{error.what} failed ({error.status}): {error.body}"
    unproven = error.status == 401 and detect(os.environ).system == "github"  # noqa: PLR2004 - Unauthorized
    return f"{told}\n{GITHUB_ADVICE}" if unproven else told
