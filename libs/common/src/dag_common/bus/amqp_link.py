"""A connection to RabbitMQ that is made when it is needed and made again when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelPreconditionFailed

from dag_common.bus.shared import Shared
from dag_common.errors import DagError, Invalid, Unavailable
from dag_common.runtime.cancellation import cancellation_kept, cancellations

CONNECT_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 5
"""The least that RabbitMQ advises (rabbitmq-website `docs/heartbeats.md`). It gives the messages of a dead consumer to
others after two to three times as long without a byte (rabbitmq-server `rabbit_heartbeat.erl`), so our event loop may
stand still for 10 s; the driver gives up a silent broker after 18 s (aiormq `connection.py`)."""

_LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, RuntimeError, StopAsyncIteration)
"""aiormq raises RuntimeError when a connection closes while a channel is opened on it, and StopAsyncIteration when
the broker hangs up in the middle of the handshake (`connection.py`, FrameReceiver.get_frame)."""


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Driver errors come out as `Unavailable`; the sentence never holds the address or a password.

    A cancellation comes out as one even if the driver forgot it.
    """
    asked = cancellations()
    try:
        with cancellation_kept():
            yield
    except DagError:
        raise
    except asyncio.CancelledError as exc:
        if cancellations() > asked:
            raise
        # The driver cancels what waits on a channel that closes (aiormq `abc.py`, TaskWrapper.throw).
        raise Unavailable("the message broker's connection was lost") from exc
    except ChannelPreconditionFailed as exc:
        raise Unavailable(
            f"the message broker holds an exchange or queue of ours with other settings: {exc.args[0]}; "
            "let the queue run empty, delete it, and it is made anew; or use another virtual host"
        ) from exc
    except _LOST as exc:
        raise Unavailable(f"the message broker cannot be asked ({type(exc).__name__})") from exc
    except Exception as exc:
        # The driver rejects what waits on a channel that closes with a bare Exception (aiormq `base.py`, FutureStore).
        if type(exc) is Exception and not exc.args:
            raise Unavailable("the message broker's connection was lost") from exc
        raise


class Link:
    """At most one open connection at a time. `purpose` names it in RabbitMQ's list of connections."""

    def __init__(self, url: str, purpose: str) -> None:
        self._url = _checked(url)
        self._purpose = purpose
        self._connection: AbstractConnection | None = None
        self._connecting = Shared(self._connect)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as we know; a silent network is noticed by heartbeat."""
        return self._connection is not None and _stands(self._connection)

    async def connection(self) -> AbstractConnection:
        """The open connection; raises `Unavailable` if there is none within 5 s."""
        if self._closed:
            raise Unavailable("the message bus of this process is closed")
        if self._connection is not None and _stands(self._connection):
            return self._connection
        with mapped_errors():
            return await self._connecting.outcome()

    async def open_channel(self, *, confirms: bool) -> AbstractChannel:
        """A channel that goes with the connection. Raises `Unavailable`."""
        connection = await self.connection()
        with mapped_errors():
            async with asyncio.timeout(CONNECT_SECONDS):
                return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)

    @asynccontextmanager
    async def channel(self, *, confirms: bool = False) -> AsyncIterator[AbstractChannel]:
        """A channel of one's own, closed afterwards. Raises `Unavailable`."""
        channel = await self.open_channel(confirms=confirms)
        try:
            with mapped_errors():
                yield channel
        finally:
            await _close(channel)

    async def close(self) -> None:
        """Close for good."""
        self._closed = True
        self.drop()
        await asyncio.gather(*self._closing)

    def drop(self) -> None:
        """Give up the connection in doubt, and any attempt at one; the next use makes a new one."""
        self._connecting.give_up()
        connection, self._connection = self._connection, None
        if connection is not None:
            closing = asyncio.create_task(_close(connection), name=f"close {self._purpose}")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _connect(self) -> AbstractConnection:
        self._connection = None
        async with asyncio.timeout(CONNECT_SECONDS):
            self._connection = await aio_pika.connect(
                self._url, client_properties={"connection_name": f"dag {self._purpose}"}
            )
        return self._connection


def _stands(connection: AbstractConnection) -> bool:
    """Not `is_closed`: that only tells of our own close (aio-pika `connection.py`, `_on_connection_close`)."""
    return connection.connected.is_set()


async def _close(closable: AbstractChannel | AbstractConnection) -> None:
    """Close within a bound; what cannot be closed properly is gone already or will be by heartbeat."""
    try:
        with mapped_errors():
            async with asyncio.timeout(CONNECT_SECONDS):
                await closable.close()
    except Unavailable:
        return


def _checked(url: str) -> str:
    try:
        address = urlsplit(url)
        well_formed = address.scheme in ("amqp", "amqps") and address.hostname and (address.port or True)
    except ValueError:
        well_formed = False
    if not well_formed:
        raise Invalid("the AMQP address is not a URL like amqp://user:password@host:5672/vhost")
    if "heartbeat" in parse_qs(address.query):
        return url
    query = f"{address.query}&heartbeat={HEARTBEAT_SECONDS}".lstrip("&")
    return urlunsplit(address._replace(query=query))
