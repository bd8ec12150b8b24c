"""`dag sandbox`: the subcommands that this package adds to the `dag` command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from dag_sandbox.reconcilers.meanings import OUTCOME_MEANINGS, SYMPTOM_MEANINGS


def _listed(meanings: dict[str, str]) -> str:
    """One line each, kept apart by a backspace on a line of its own, as click has it."""
    width = max(map(len, meanings))
    return "\b\n" + "\n".join(f"  {name:<{width}}  {meaning}" for name, meaning in meanings.items())


_HELP = f"""Try DAG on this machine: start here. A git host, a CI and a cluster to play with, until Ctrl-C.

Starts everything on loopback and prints what to type in another shell. What it keeps lies in .dag (DAG_DATA_DIR); \
rm -rf .dag resets it.

The sandbox runs no containers and renders no templates. Values below sandbox: in values.yaml decide how a rollout \
ends, as in

\b
  dag deploy CHART --set sandbox.outcome=fail --set sandbox.symptom=image-pull

sandbox.seconds is how long it takes. sandbox.outcome is one of

{_listed(OUTCOME_MEANINGS)}

sandbox.symptom, what the new pods suffer from when it goes wrong, is one of

{_listed(SYMPTOM_MEANINGS)}
"""

sandbox = typer.Typer(invoke_without_command=True, help=_HELP)


@sandbox.callback()
def start(context: typer.Context) -> None:  # its help is the group's
    if context.invoked_subcommand is None:
        from dag_sandbox.command import up  # noqa: PLC0415 - `dag deploy` must not load the sandbox

        up()


@sandbox.command()
def job(branch: Annotated[str, typer.Argument(help="The branch the job runs on.")] = "main") -> None:
    """Print what makes a shell a CI job of the running sandbox: eval "$(dag sandbox job)"."""
    from dag_sandbox.addresses import mint_job  # noqa: PLC0415 - `dag deploy` must not load the sandbox
    from dag_sandbox.running import exports, find  # noqa: PLC0415 - as above
    from dag_sandbox.show import data_directory  # noqa: PLC0415 - as above

    with _told():
        running = find(data_directory())
        typer.echo(exports(running, asyncio.run(mint_job(running.addresses.gitlab, ref=branch))))


@sandbox.command()
def tour() -> None:
    """Print the long list of what to try in the running sandbox, as a script for bash."""
    from dag_sandbox.running import find  # noqa: PLC0415 - `dag deploy` must not load the sandbox
    from dag_sandbox.show import data_directory, whole_tour  # noqa: PLC0415 - as above

    with _told():
        typer.echo(whole_tour(find(data_directory()).addresses), nl=False)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong as one sentence, exit code 1."""
    from dag_client.errors import ClientError  # noqa: PLC0415 - `dag deploy` must not load the sandbox
    from dag_common.errors import DagError  # noqa: PLC0415 - as above

    try:
        yield
    except DagError as exc:
        raise ClientError(exc.message) from exc
