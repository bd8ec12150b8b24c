"""The flags of the commands, with the variables behind them; said once, used by `dag` and by the classic names."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from dag_client.call import DEFAULT_TIMEOUT_SECONDS

WHERE = "Where and who"
VALUES = "Values"
OUTPUT = "Output"

Server = Annotated[
    str,
    typer.Option(
        envvar="DAG_SERVER_URL", help="The gateway, as https://host.", show_default=False, rich_help_panel=WHERE
    ),
]
Repo = Annotated[
    str,
    typer.Option(
        envvar="DAG_REPO_URL",
        help="This project's repository URL. [dim](detected in CI)[/]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
JobId = Annotated[
    str,
    typer.Option(
        envvar="DAG_JOB_ID", help="The CI job's id. [dim](detected in CI)[/]", show_default=False, rich_help_panel=WHERE
    ),
]
JobToken = Annotated[
    str,
    typer.Option(
        envvar="DAG_JOB_TOKEN",
        help="The CI job's token; prefer the variable. [dim](detected in CI)[/]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Audience = Annotated[
    str,
    typer.Option(
        envvar="DAG_AUDIENCE",
        help="What GitHub ID tokens are asked for. [dim](the gateway's address)[/]",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
OperatorToken = Annotated[
    str,
    typer.Option(
        envvar="DAG_OPERATOR_TOKEN",
        help="An operator's token, instead of a job's; prefer the variable.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Environment = Annotated[
    str,
    typer.Option(
        envvar="DAG_ENVIRONMENT",
        help="Which environment, if the branch has several.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        envvar="DAG_TIMEOUT",
        help="Seconds to wait for the end, and up to 30 more to hear of it.",
        show_default="300",
        min=1,
        rich_help_panel=WHERE,
    ),
]
DeployVersion = Annotated[
    str,
    typer.Option(
        envvar="DAG_DEPLOY_VERSION",
        help="What is deployed, as SemVer, tag or commit.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dag {metadata.version('dag-client')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Say which version this is.", callback=_show_version, is_eager=True)
]
Chart = Annotated[Path, typer.Argument(help="A chart folder, or a packed .tgz.", show_default=False)]
ValuesFile = Annotated[
    list[Path] | None,
    typer.Option(metavar="PATH", help="YAML merged into values.yaml; lists replace.", rich_help_panel=VALUES),
]
SetString = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One value, always a string.", rich_help_panel=VALUES),
]
SetJson = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=JSON", help="One value of any type, e.g. replicas=3.", rich_help_panel=VALUES),
]
SetFile = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=PATH", help="One value, read from a text file.", rich_help_panel=VALUES),
]
IncludeAll = Annotated[
    bool,
    typer.Option(
        "--include-all-files",
        help="Pack everything in the folder, not only what belongs to a chart.",
        rich_help_panel=VALUES,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.", rich_help_panel=OUTPUT)]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Stop once accepted and print the id only.", rich_help_panel=OUTPUT)
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Check everything and show what would change; nothing is deployed.", rich_help_panel=OUTPUT
    ),
]
Output = Annotated[Path, typer.Argument(help="Where to write the .tgz; '-' is stdout.", show_default=False)]
DeploymentId = Annotated[str, typer.Argument(help="The id that dag deploy printed.", show_default=False)]
TIMEOUT = float(DEFAULT_TIMEOUT_SECONDS)
