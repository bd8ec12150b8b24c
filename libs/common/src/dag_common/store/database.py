"""One way to Postgres: a pool that runs as the service role, and driver errors told in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Self

import asyncpg

from dag_common.errors import Conflict, DagError, Unavailable
from dag_common.runtime.cancellation import cancellation_kept
from dag_common.runtime.pulse import Pulse
from dag_common.store.statements import statement

if TYPE_CHECKING:
    PooledConnection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Connection = PooledConnection | asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    PooledConnection = Connection = asyncpg.Connection
    Pool = asyncpg.Pool

SERVICE_ROLE = "dag_service"
"""Every pooled connection runs as this role, whatever it logged in as: it may append and read, not rewrite."""

ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 30.0
GIVE_UP_SECONDS = 1.0
"""How long a statement that was given up may keep its connection, until the connection is given up too."""

LET_GO = {
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "7000",
    "idle_in_transaction_session_timeout": "5000",
}
"""Has *the server* let go of us, and of our locks, about 7 s after our machine fell silent; Linux by itself would ask
after two hours (PostgreSQL `doc/src/sgml/config.sgml`, `tcp_user_timeout`). On a Unix socket those mean nothing.
The last is for a process that stands still, whose kernel answers all the same: in the middle of a transaction, which
may hold the head of the log, it loses that too."""

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
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_RACED = (asyncpg.UniqueViolationError, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_UNPREPARED = (asyncpg.InvalidParameterValueError, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Driver errors come out as `Unavailable` or `Conflict`; the sentence never holds the address or a password.

    A cancellation comes out as one even if the driver forgot it.
    """
    try:
        with cancellation_kept():
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
    5 s to get a connection, 30 s a statement) and `Conflict` when somebody else was first. Where `pulse` is
    kept running, they do so at once while Postgres is down, and as soon as it falls silent.
    """

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self._url = url
        self._sounding: asyncpg.Connection[asyncpg.Record] | None = None
        self.pulse = Pulse("event log's database", self._sound)

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
                server_settings=_settings("dag"),
            )
        return cls(pool, url)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A pooled connection in autocommit, for reads."""
        with mapped_errors():
            async with self.pulse.leaning():
                connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
                try:
                    yield connection
                finally:
                    await self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                await _roll_back(connection, transaction)
                raise
            await transaction.commit()

    @asynccontextmanager
    async def dedicated(self, **settings: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection of one's own, outside the pool, with further server settings: for session locks and LISTEN."""
        with mapped_errors():
            connection = await self._connect("dag-session", **settings)
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
        if self._sounding is not None:
            self._sounding.terminate()

    async def _connect(self, name: str, **settings: str) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            self._url,
            timeout=ACQUIRE_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings=_settings(name) | settings,
        )

    async def _sound(self) -> None:
        """Ask on a session of its own, a new one after each failure: a busy pool is not a server that is down."""
        with mapped_errors():
            if self._sounding is None:
                self._sounding = await self._connect("dag-pulse")
            try:
                await self._sounding.execute(statement("ping"))
            except BaseException:
                self._sounding.terminate()
                self._sounding = None
                raise

    async def _give_back(self, connection: PooledConnection) -> None:
        """What cannot be given back in time is terminated by the pool; the work on it is over in any case."""
        with suppress(*_LOST):
            await self._pool.release(connection, timeout=GIVE_UP_SECONDS)


def _settings(name: str) -> dict[str, str]:
    return {"role": SERVICE_ROLE, "application_name": name, **LET_GO}


async def _roll_back(connection: Connection, transaction: asyncpg.transaction.Transaction) -> None:
    """Within a bound: a connection on which nothing comes back is of no use any more."""
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            await transaction.rollback()
    except _LOST:
        connection.terminate()


async def _close(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        await connection.close(timeout=2.0)
    except _LOST:
        connection.terminate()
