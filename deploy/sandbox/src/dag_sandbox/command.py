"""The sandbox's command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from dag_common.runtime import lifecycle
from dag_common.runtime.logs import configure_logs
from dag_sandbox import show
from dag_sandbox.stage import Stage
from dag_sandbox.world import Ground, world

PORT = 8090

app = typer.Typer(
    name="dag_sandbox",
    help="The outside world on loopback, to try DAG on: git host, CI provider, cluster with Flux, Argo CD and Helm.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    server: Annotated[str, typer.Option(help="A gateway that runs already.", show_default=False)] = "",
    sandbox: Annotated[str, typer.Option(help="The front door of a sandbox that runs already.")] = "",
) -> None:
    """Show one deployment from CI job to running chart, and one that fails; ends by itself."""
    if bool(server) != bool(sandbox):
        raise typer.BadParameter("--server and --sandbox go together")
    if server:
        _run(lambda stop: show.demo_against(Stage(), stop, server.rstrip("/"), sandbox.rstrip("/")))
    _run(lambda stop: show.demo(Stage(), stop))


@app.command()
def up() -> None:
    """Run DAG and a sandbox until Ctrl-C, and print commands to try."""
    _run(lambda stop: show.up(Stage(), stop, show.data_directory()))


@app.command("world")
def only_world(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    name: Annotated[str, typer.Option(help="The name under which others reach it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The first of four ports.")] = PORT,
    data: Annotated[Path, typer.Option(help="Where its repositories lie.")] = Path("sandbox"),
    registry: Annotated[Path, typer.Option(help="Where sandbox.yaml is written.")] = Path("registry"),
) -> None:
    """Run the sandbox alone, for a DAG that runs elsewhere, until told to stop."""
    configure_logs("sandbox")
    _run(lambda stop: _world(stop, data, registry, Ground(host, name, port)))


async def _world(stop: asyncio.Event, data: Path, registry: Path, ground: Ground) -> int:
    async with world(data, registry, ground):
        await stop.wait()
    return 0


def _run(main: Callable[[asyncio.Event], Awaitable[int]]) -> None:
    """Run until it ends or a signal asks it to; then exit with its code."""
    codes = [1]

    async def until(stop: asyncio.Event) -> None:
        codes.append(await main(stop))

    failed = lifecycle.run(until)
    raise typer.Exit(failed or codes[-1])


def main() -> None:
    """Entry point."""
    app(prog_name="python -m dag_sandbox")
