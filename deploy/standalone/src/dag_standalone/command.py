"""`dag up`: the subcommand that this package adds to the `dag` command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer


def up(
    registry: Annotated[
        Path, typer.Option(envvar="DAG_REGISTRY", help="What may be deployed where: a file, or a directory of files.")
    ] = Path("dag.yaml"),
    data_dir: Annotated[Path, typer.Option(envvar="DAG_DATA_DIR", help="Where everything is kept.")] = Path(".dag"),
    port: Annotated[int, typer.Option(envvar="DAG_HTTP_PORT", help="Where the API is served.")] = 8080,
) -> None:
    """Run all of DAG on this machine until Ctrl-C.

    Gateway, pusher and monitor in one process. Without DAG_DATABASE_URL it brings a Postgres of its own, without \
DAG_AMQP_URL it needs no broker. The services' other settings are the same as in processes of their own.
    """
    given = {"DAG_REGISTRY": str(registry), "DAG_DATA_DIR": str(data_dir), "DAG_HTTP_PORT": str(port)}
    raise typer.Exit(_run({**os.environ, **given}))


def _run(environ: Mapping[str, str]) -> int:
    from dag_common.runtime.lifecycle import run  # noqa: PLC0415 - `dag deploy` must not load the services
    from dag_common.runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from dag_standalone.standalone import standalone  # noqa: PLC0415 - as above

    async def until(stop: asyncio.Event) -> None:
        async with standalone(environ) as address:
            typer.echo(f"DAG answers at {address}")
            await stop.wait()

    configure_logs("standalone", level=environ.get("DAG_LOG_LEVEL") or "info")
    return run(until)
