from __future__ import annotations

import asyncio

import pytest

from dag_common.runtime.cancellation import cancellation_kept


async def forgetful(ending: Exception | None) -> None:
    """What a driver does that was told to end at the moment at which its answer, or its failure, came."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if ending is not None:
            raise ending from None


@pytest.mark.parametrize("ending", [None, ConnectionError("lost")])
async def test_a_task_that_was_told_to_end_ends_although_its_driver_forgot(ending: Exception | None) -> None:
    async def loop() -> None:
        with cancellation_kept():
            await forgetful(ending)
        raise AssertionError("it went on")

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_time_limit_around_it_stays_a_time_limit() -> None:
    async def too_long() -> None:
        async with asyncio.timeout(0.01):
            with cancellation_kept():
                await forgetful(None)

    with pytest.raises(TimeoutError):
        await too_long()


async def test_a_time_limit_within_it_stays_a_time_limit() -> None:
    async def too_long() -> None:
        with cancellation_kept():
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await too_long()
