"""`dag sandbox`: the subcommand that this package adds to the `dag` command."""

from __future__ import annotations


def sandbox() -> None:
    """Try DAG on this machine, with a git host, a CI and a cluster to play with, until Ctrl-C.

    Starts everything on loopback and prints the commands to type in another shell, from the first deployment to one \
that fails. What it keeps lies in .dag (DAG_DATA_DIR).
    """
    from dag_sandbox.command import up  # noqa: PLC0415 - `dag deploy` must not load the sandbox

    up()
