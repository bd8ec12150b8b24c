"""The commands that CI jobs of an earlier server call: same flags, variables, detection; exit codes 0 and 1 only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from dag_client import command, session
from dag_client import options as flag
from dag_client.call import Given, complete
from dag_client.errors import ClientError, Misused
from dag_client.gateway import Refusal
from dag_client.overrides import Overrides
from dag_client.packing import read_chart
from dag_client.views import Lines


def deploy(  # noqa: PLR0913 - typer reads the flags from the signature
    chart: flag.Chart,
    *,
    server: flag.Server = "",
    repo: flag.Repo = "",
    job_id: flag.JobId = "",
    job_token: flag.JobToken = "",
    environment: flag.Environment = "",
    deploy_version: flag.DeployVersion = "",
    timeout: flag.Timeout = flag.TIMEOUT,
    values_file: flag.ValuesFile = None,
    set_string: flag.SetString = None,
    set_json: flag.SetJson = None,
    set_file: flag.SetFile = None,
    include_all_files: flag.IncludeAll = False,
) -> None:
    """Deploy a chart folder or .tgz and wait for its end (dag deploy does the same and more)."""
    call = complete(Given(server, repo, job_id, job_token, environment, timeout), os.environ)
    if not deploy_version.strip():
        raise Misused("Missing: --deploy-version (DAG_DEPLOY_VERSION).")
    overrides = Overrides(values_file or (), set_string or (), set_json or (), set_file or ())
    content = read_chart(chart, overrides, include_all=include_all_files)
    command.run(session.deploy(call, deploy_version, content, Lines()))


def deploy_main() -> None:
    """Entry point of `dag-deploy`."""
    _main("dag-deploy", deploy)


def get_chart_main() -> None:
    """Entry point of `dag-get-chart`."""
    _main("dag-get-chart", command.get_chart)


def get_values_main() -> None:
    """Entry point of `dag-get-values`."""
    _main("dag-get-values", command.get_values)


def _main(name: str, function: Callable[..., Any]) -> None:
    app = typer.Typer(name=name, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(name)(function)
    sys.exit(min(1, command.guarded(app, told=_told)))


def _told(error: ClientError) -> str:
    """A refusal as the earlier clients printed it: with the answer's body as it came."""
    return f"{error.what} failed ({error.status}): {error.body}" if isinstance(error, Refusal) else str(error)
