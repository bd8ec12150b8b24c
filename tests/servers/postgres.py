"""A Postgres whose superuser we are: the address given, the one on this machine, or an embedded one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dag_common.errors import DagError
from dag_standalone.embedded import embedded_postgres
from servers.reachable import NotHere, answers, local_server, postgres_answers

LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"


@asynccontextmanager
async def running_postgres(directory: Path) -> AsyncIterator[str]:
    """The URL of a Postgres for the block; a private one lives in `directory`. Raises `NotHere`."""
    given = os.environ.get("DAG_TEST_DATABASE_URL")
    if (url := given or local_server(LOCAL)) and await answers(postgres_answers, url):
        yield url
        return
    if given:
        raise NotHere("no Postgres answers at DAG_TEST_DATABASE_URL: correct it, or unset it to get a private one")
    try:
        server = embedded_postgres(directory)
        private = await server.__aenter__()
    except DagError as exc:
        raise NotHere(f"{exc.message}; or set DAG_TEST_DATABASE_URL to a Postgres whose superuser you are") from exc
    try:
        yield private
    finally:
        await server.__aexit__(None, None, None)
