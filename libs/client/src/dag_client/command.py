"""The `dag` command. Other packages add subcommands, or groups of them, by the entry point group `dag.commands`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, RenderableType

from dag_client import ci_log, plans, session
from dag_client import options as flag
from dag_client.call import Call, Proof, complete, server_address
from dag_client.ci import detect
from dag_client.errors import ClientError, Misused
from dag_client.flag_groups import CallFlags, ChartFlags, JobFlags, OutputFlags, grouped
from dag_client.summary import described
from dag_client.views import JsonLines, Lines, Screen, View, printable

OPERATORS = "To try DAG, and for those who run it"
app = typer.Typer(
    name="dag",
    help="""Deploy Helm charts through DAG, the deployment gateway.

    In a GitLab or GitHub job only the gateway's address and a chart are needed:

      [bold]export DAG_SERVER_URL=https://dag.example.com[/]
      [bold]dag deploy ./chart --set image.tag=1.4.2[/]

    Anywhere else, say which job asks (--repo, --job-id, --job-token) and what it deploys (--deploy-version).

    The command waits for the rollout and its exit code is the verdict: 0 deployed, 1 failed, 2 wrong call, \
3 not accepted by the gateway, 4 timed out waiting, 5 superseded by a newer deployment.
    """,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def dag(version: flag.Version = False) -> None:
    """What comes before any command."""


@app.command()
@grouped
def deploy(
    chart: flag.Chart, caller: CallFlags, what: ChartFlags, output: OutputFlags, audience: flag.Audience = ""
) -> None:
    """Deploy a chart and wait until it runs.

    Packs CHART (your files are not changed; overrides go into a copy), hands it to the gateway and follows the \
rollout. In CI the version defaults to the tag or commit.

      [bold]dag deploy ./chart --values-file prod.yaml[/]
      [bold]dag deploy ./chart --set image.tag=1.4.2 --set-json replicas=3[/]
      [bold]dag deploy ./chart --deploy-version 1.4.2 --dry-run[/]

    The version is written into the chart's Chart.yaml, as version (in SemVer's form) and appVersion. Templates are \
rendered by the cluster only. Exit codes: 0 deployed, 1 failed, 2 wrong call, 3 not accepted, 4 timed out waiting, \
5 superseded, 130 and 143 stopped while waiting.
    """
    call = complete(caller.given(audience), os.environ)
    version = what.deploy_version or detect(os.environ).version
    if not version:
        raise Misused(
            "Missing: --deploy-version (DAG_DEPLOY_VERSION). Outside CI, say what this is: a version, tag or commit, "
            "such as --deploy-version 1.4.2."
        )
    content = what.pack(chart)
    if names := what.left_out(chart):
        told = f"Not packed, as no part of a chart: {', '.join(names)} (--include-all-files packs everything)"
        typer.echo(ci_log.inert(os.environ, printable(told)), err=True)
    if output.dry_run:
        _show_plan(run(session.plan(call, version, content)), as_json=output.as_json)
        return
    if output.no_wait:
        deployment_id = run(session.submit(call, version, content))
        typer.echo(json.dumps({"deploymentId": deployment_id}) if output.as_json else deployment_id)
        return
    _deploy(call, version, content, _view(as_json=output.as_json))


def _show_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plan, ensure_ascii=False))
    else:
        _show(plans.described(plan), fold=False)


def _show(page: RenderableType, *, fold: bool) -> None:
    console = Console(highlight=False, soft_wrap=not fold)
    with console.capture() as shown:
        console.print(page)
    typer.echo(ci_log.inert(os.environ, shown.get()), nl=False, color=True)


def _deploy(call: Call, version: str, content: bytes, view: View) -> None:
    headline = f"Deploy {version}"
    shown = ci_log.section(os.environ, headline) if isinstance(view, Lines) else nullcontext()
    try:
        with shown:
            result = run(session.deploy(call, version, content, view))
    except ClientError as error:
        _report(view, f"{headline}: not deployed", str(error), failed=True)
        raise
    _report(view, f"{headline}: deployed", str(result["message"]), failed=False)


def _report(view: View, headline: str, message: str, *, failed: bool) -> None:
    if not isinstance(view, JsonLines):
        ci_log.report(os.environ, headline, message, failed=failed)


@app.command("get-chart")
@grouped
def get_chart(output: flag.Output, caller: CallFlags, audience: flag.Audience = "") -> None:
    """Write the chart that was committed last, as a .tgz, whether or not its rollout succeeded."""
    write_chart(complete(caller.given(audience), os.environ), output)


def write_chart(call: Call, output: Path) -> None:
    """Get the chart into a file; `-` is stdout."""
    content = run(session.get_chart(call))
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise Misused(f"{output} cannot be written ({error.strerror}).") from error
    typer.echo(f"Chart written to {output} ({len(content)} bytes)", err=True)


@app.command("get-values")
@grouped
def get_values(caller: CallFlags, audience: flag.Audience = "") -> None:
    """Print the values that were committed last, as JSON, whether or not their rollout succeeded."""
    print_values(complete(caller.given(audience), os.environ))


def print_values(call: Call) -> None:
    """Get the values onto stdout."""
    typer.echo(json.dumps(run(session.get_values(call)), indent=2, ensure_ascii=False))


@app.command()
def status(deployment_id: flag.DeploymentId, server: flag.Server = "", as_json: flag.Json = False) -> None:
    """Say how one deployment stands, with its history. Needs no token."""
    answer = run(session.get_deployment(_address(server), deployment_id))
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        _show(described(answer), fold=sys.stdout.isatty())


@app.command()
def watch(
    deployment_id: flag.DeploymentId,
    server: flag.Server = "",
    timeout: flag.Timeout = flag.TIMEOUT,
    as_json: flag.Json = False,
) -> None:
    """Follow a deployment to its end, as deploy does, with the same exit codes. Needs no token."""
    run(session.watch(_address(server), deployment_id, timeout, _view(as_json=as_json)))


@app.command()
@grouped
def cancel(
    deployment_id: flag.DeploymentId,
    caller: JobFlags,
    *,
    audience: flag.Audience = "",
    operator_token: flag.OperatorToken = "",
    as_json: flag.Json = False,
) -> None:
    """End a deployment that has not been pushed.

    A job may cancel what it could deploy itself, an operator anything. Exit codes: 0 cancelled, 1 too late, 3 not \
accepted, 4 still open because a push is under way.
    """
    if operator_token:
        address, proof = _address(caller.server), Proof.of_operator(operator_token)
    else:
        call = complete(caller.given(audience), os.environ)
        address, proof = call.server, Proof.of_job(call)
    answer = run(session.cancel(address, deployment_id, proof))
    told = printable(str(answer.get("message", "")))
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else ci_log.inert(os.environ, told))


def _address(server: str) -> str:
    if not server:
        raise Misused("Missing: --server (DAG_SERVER_URL).")
    return server_address(server)


def _view(*, as_json: bool) -> View:
    if as_json:
        return JsonLines()
    return Screen() if sys.stdout.isatty() and not detect(os.environ).system else Lines()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Do the asynchronous part of a command."""
    return asyncio.run(work)


def plug_in(into: typer.Typer) -> None:
    """Add what other installed packages offer; one that cannot be loaded must not stop a deployment."""
    for entry in sorted(entry_points(group="dag.commands"), key=lambda entry: entry.name):
        try:
            _add(into, entry.name, entry.load())
        except Exception as error:  # noqa: BLE001 - a stranger's package may raise anything
            typer.echo(f"dag {entry.name} is not available: {error}", err=True)


def _add(into: typer.Typer, name: str, offered: Any) -> None:
    if isinstance(offered, typer.Typer):
        into.add_typer(offered, name=name, rich_help_panel=OPERATORS)
    else:
        into.command(name, rich_help_panel=OPERATORS)(offered)


def guarded(command: typer.Typer, *, told: Callable[[ClientError], str] = str) -> int:
    """Run a command line; the exit code. Errors go to stderr, in the words that `told` makes of them."""
    try:
        command()
    except ClientError as error:
        typer.echo(ci_log.inert(os.environ, told(error)), err=True)
        return error.exit_code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def main() -> None:
    """Entry point of `dag`."""
    plug_in(app)
    sys.exit(guarded(app))
