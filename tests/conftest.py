"""What every test may ask for: a database and a broker, on servers the tests bring themselves."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
from servers.databases import empty_database, fresh_database
from servers.keeper import VARIABLES, Keeper, bring_servers
from servers.namespaces import fresh_namespace
from servers.reachable import NotHere

from dag_common.store.database import Database

KEEPER = pytest.StashKey[Keeper]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller brings the servers once; workers inherit the addresses in their environment."""
    if hasattr(config, "workerinput") or config.option.collectonly or _only_pure_tests(config.args):
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        config.stash[KEEPER] = bring_servers()
    except NotHere as exc:
        pytest.exit(str(exc), returncode=3)


def pytest_unconfigure(config: pytest.Config) -> None:
    if KEEPER in config.stash:
        config.stash[KEEPER].stop()


def _only_pure_tests(arguments: list[str]) -> bool:
    return all("tests/unit" in argument for argument in arguments)


def _end(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture
async def database_url() -> AsyncIterator[str]:
    """A migrated, empty database of the test's own."""
    async with fresh_database(_address("database")) as url:
        yield url


@pytest.fixture
async def empty_database_url() -> AsyncIterator[str]:
    """A database of the test's own without any schema."""
    async with empty_database(_address("database")) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's own database, connected as the services connect."""
    database = await Database.connect(database_url)
    yield database
    await database.close()


@pytest.fixture
def amqp_url() -> str:
    """The broker, shared by all tests: use it with `amqp_namespace`."""
    return _address("amqp")


@pytest.fixture
async def amqp_namespace(amqp_url: str) -> AsyncIterator[str]:
    """A prefix for names on the broker; what stands under it is deleted after the test."""
    async with fresh_namespace(amqp_url) as namespace:
        yield namespace


def _address(server: str) -> str:
    if VARIABLES[server] not in os.environ:
        pytest.fail(f"a test under tests/unit asks for the {server}: it belongs under tests/integration")
    return os.environ[VARIABLES[server]]
