"""`dag up`, `dag check` and `dag rbac`: the subcommands that this package adds to the `dag` command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

RegistryPath = Annotated[
    Path, typer.Option(envvar="DAG_REGISTRY", help="What may be deployed where: a file, or a directory of files.")
]


START = "copy deploy/examples/dag.yaml and fill it in"


def up(
    registry: RegistryPath = Path("dag.yaml"),
    data_dir: Annotated[Path, typer.Option(envvar="DAG_DATA_DIR", help="Where everything is kept.")] = Path(".dag"),
    port: Annotated[int, typer.Option(envvar="DAG_HTTP_PORT", help="Where the API is served.")] = 8080,
) -> None:
    """Run all of DAG on this machine until Ctrl-C.

    Gateway, pusher and monitor in one process. Without DAG_DATABASE_URL it brings a Postgres of its own, without \
DAG_AMQP_URL it needs no broker. The services' other settings are the same as in processes of their own.
    """
    from dag_client.errors import Misused  # noqa: PLC0415 - `dag deploy` must not load the services

    if not registry.exists():
        raise Misused(_missing(registry))
    given = {"DAG_REGISTRY": str(registry), "DAG_DATA_DIR": str(data_dir), "DAG_HTTP_PORT": str(port)}
    raise typer.Exit(_run({**os.environ, **given}))


def check(
    registry: RegistryPath = Path("dag.yaml"),
    seconds: Annotated[float, typer.Option("--timeout", help="Seconds for one question.", min=1)] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Try everything a registry refers to, and say what to mend.

    Secrets, git hosts, CI providers, clusters with DAG's rights there, and whether each environment's targets follow \
what it commits; nothing is changed anywhere. Run it where the services run. Exit codes: 0 nothing is wrong (there may \
be warnings), 1 something is, 2 the call is wrong.
    """
    from dag_client.errors import Misused  # noqa: PLC0415 - `dag deploy` must not load the services
    from dag_common.runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from dag_standalone.check import check_registry  # noqa: PLC0415 - as above
    from dag_standalone.check_table import show  # noqa: PLC0415 - as above

    if not registry.exists():
        raise Misused(f"--registry {registry}: there is no such file or directory; {START}")
    configure_logs("check", level="error")
    findings = asyncio.run(check_registry(registry, seconds))
    show(findings, as_json=as_json)
    raise typer.Exit(not all(finding.fine for finding in findings))


def rbac(
    cluster: Annotated[str, typer.Argument(help="The cluster, as the registry names it.")],
    registry: RegistryPath = Path("dag.yaml"),
    account: Annotated[str, typer.Option(help="The ServiceAccount, as NAMESPACE/NAME.")] = "dag/dag-monitor",
    flux_sources: Annotated[
        list[str] | None,
        typer.Option(help="A namespace of Flux's GitRepositories; repeat it.", show_default="flux-system"),
    ] = None,
    workloads: Annotated[
        list[str] | None, typer.Option(help="A namespace where targets have workloads besides their own; repeat it.")
    ] = None,
) -> None:
    """Print the RBAC manifests with the least rights that DAG needs in a cluster, for `kubectl apply -f -`.

      [bold]dag rbac production --registry dag.yaml | kubectl --context production apply -f -[/]

    A ServiceAccount, and in each namespace a Role with its RoleBinding; no ClusterRole. What the registry forbids by \
`kick: false` and `logs: false` is not asked for.
    """
    from dag_client.errors import Misused  # noqa: PLC0415 - `dag deploy` must not load the services
    from dag_common.errors import DagError  # noqa: PLC0415 - as above
    from dag_common.registry.file import read_registry  # noqa: PLC0415 - as above
    from dag_standalone.rbac import Elsewhere, Holder, manifests  # noqa: PLC0415 - as above

    namespace, slash, name = account.partition("/")
    if not (namespace and slash and name):
        raise Misused(f"--account {account}: expected NAMESPACE/NAME")
    try:
        loaded = read_registry(registry)
        elsewhere = Elsewhere(tuple(flux_sources or ["flux-system"]), tuple(workloads or ()))
        text = manifests(loaded, cluster, Holder(name, namespace), elsewhere)
    except DagError as exc:
        raise Misused(exc.message) from exc
    for problem in loaded.problems:
        typer.echo(f"left out: {problem}", err=True)
    typer.echo(text, nl=False)


def _missing(registry: Path) -> str:
    what = "There is no dag.yaml here" if registry == Path("dag.yaml") else f"There is no {registry}"
    return f"{what}: copy deploy/examples/dag.yaml, name one with --registry, or try dag sandbox"


def _run(environ: Mapping[str, str]) -> int:
    from dag_client.errors import ClientError, Misused  # noqa: PLC0415 - `dag deploy` must not load the services
    from dag_common.errors import Conflict, Invalid  # noqa: PLC0415 - as above
    from dag_common.runtime.lifecycle import run  # noqa: PLC0415 - as above
    from dag_common.runtime.logs import configure_logs  # noqa: PLC0415 - as above
    from dag_standalone.standalone import standalone  # noqa: PLC0415 - as above

    async def until(stop: asyncio.Event) -> None:
        try:
            async with standalone(environ) as address:
                typer.echo(f"DAG answers at {address}")
                await stop.wait()
        except Invalid as exc:
            raise Misused(exc.message) from exc
        except Conflict as exc:
            raise ClientError(exc.message) from exc

    configure_logs("standalone", level=environ.get("DAG_LOG_LEVEL") or "info")
    return run(until)
