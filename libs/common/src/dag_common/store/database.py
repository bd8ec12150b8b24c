"""One way to Postgres: a pool that runs as the service role, and driver errors told in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Self

import asyncpg

from dag_common.errors import Conflict, DagError, Unavailable
from dag_common.store.statements import statement

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

SERVICE_ROLE = "dag_service"
"""Every pooled connection runs as this role, whatever it logged in as: it may append and read, not rewrite."""

ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 30.0

_LOST = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,
)
_RACED = (asyncpg.UniqueViolationError, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_UNPREPARED = (asyncpg.InvalidParameterValueError, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Driver errors come out as `Unavailable` or `Conflict`; the sentence never holds the address or a password."""
    try:
        yield
    except DagError:
        raise
    except _RACED as exc:
        raise Conflict(f"{exc.constraint_name or type(exc).__name__}: {exc.args[0]}") from exc
    except _UNPREPARED as exc:
        raise Unavailable(
            "the database is not prepared for DAG; run the migrations: python -m dag_common.store.migrate"
        ) from exc
    except _LOST as exc:
        raise Unavailable(f"the event log's database cannot be asked ({type(exc).__name__})") from exc


class Database:
    """A pool of connections that run as the service role.

    `transaction()` and `connection()` raise `Unavailable` when Postgres cannot be asked (within
    5 s to get a connection, 30 s a statement) and `Conflict` when somebody else was first.
    """

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self._url = url

    @classmethod
    async def connect(cls, url: str, *, max_size: int = 10) -> Self:
        """Open a pool of at most `max_size` connections; raises `Unavailable` if there is no Postgres or no schema."""
        with mapped_errors():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=max_size,
                timeout=ACQUIRE_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                server_settings={"role": SERVICE_ROLE, "application_name": "dag"},
            )
        return cls(pool, url)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A pooled connection in autocommit, for reads."""
        with mapped_errors():
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection of one's own, outside the pool: for session locks and LISTEN."""
        with mapped_errors():
            connection = await asyncpg.connect(
                self._url,
                timeout=ACQUIRE_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                server_settings={"role": SERVICE_ROLE, "application_name": "dag-session"},
            )
        try:
            yield connection
        finally:
            await _close(connection)

    async def ping(self) -> None:
        """Raises `Unavailable` when Postgres does not answer."""
        async with self.connection() as connection:
            await connection.fetchval(statement("ping"))

    async def close(self) -> None:
        """Close the pool; connections still busy after 5 s are cut."""
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _close(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        await connection.close(timeout=2.0)
    except _LOST:
        connection.terminate()
