"""A broker that is lost in the middle of a handshake is unavailable, like one that is lost at any other moment."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

import pytest
from aiormq.connection import FrameReceiver

from dag_common.bus.amqp_link import mapped_errors
from dag_common.errors import Unavailable


async def test_a_broker_that_hangs_up_before_the_next_frame_of_the_handshake_is_unavailable() -> None:
    async def hang_up(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        with pytest.raises(Unavailable, match="cannot be asked"), mapped_errors():
            await FrameReceiver(reader).get_frame()
        writer.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [(Exception(), Unavailable), (Exception("what nobody foresaw"), Exception), (KeyError(), KeyError)],
)
async def test_what_waited_on_a_channel_that_closed_is_unavailable_and_no_other_error_passes_for_it(
    error: Exception, told: type[Exception]
) -> None:
    with pytest.raises(told) as raised, mapped_errors():
        raise error
    assert type(raised.value) is told
