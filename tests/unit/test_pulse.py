from __future__ import annotations

import asyncio

import pytest
from conditions import until

from dag_common.errors import Unavailable
from dag_common.runtime import pulse as pulse_module
from dag_common.runtime.pulse import Pulse


class Patient:
    """A dependency that answers as told: it may be well, refuse, or say nothing; it counts how often it was asked."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer == "silent":
            await asyncio.Event().wait()
        if answer:
            raise Unavailable(answer)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEAT_SECONDS", "ANSWER_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(pulse_module, name, 0.01)


async def test_before_it_was_asked_nobody_is_refused() -> None:
    Pulse("broker", Patient("away")).needed()


@pytest.mark.parametrize(("answer", "reason"), [("away", "away"), ("silent", "the broker does not answer")])
async def test_two_tries_without_an_answer_are_a_down_that_says_when_to_come_again(answer: str, reason: str) -> None:
    pulse = Pulse("broker", patient := Patient(answer))
    await pulse.beat()
    assert patient.asked == 2
    with pytest.raises(Unavailable, match=reason) as refusal:
        pulse.needed()
    assert refusal.value.retry_after == 3


async def test_a_connection_that_is_lost_and_made_again_refuses_nobody() -> None:
    pulse = Pulse("broker", Patient("the connection was closed", ""))
    await pulse.beat()
    pulse.needed()
    await pulse.check()


async def test_one_answer_brings_it_back_by_itself() -> None:
    pulse = Pulse("broker", Patient("away", "away", "away", ""))
    running = asyncio.create_task(pulse.run())
    await until(lambda: _down(pulse))
    await until(lambda: not _down(pulse))
    running.cancel()


async def test_what_leans_on_it_is_cut_when_it_goes_down_and_not_begun_while_it_is_down() -> None:
    pulse = Pulse("broker", Patient("silent"))
    began = asyncio.Event()

    async def lean() -> None:
        async with pulse.leaning():
            began.set()
            await asyncio.Event().wait()

    leaning = asyncio.create_task(lean())
    await began.wait()
    await pulse.beat()
    with pytest.raises(Unavailable, match="the broker fell silent"):
        await leaning
    began.clear()
    with pytest.raises(Unavailable, match="does not answer"):
        await lean()
    assert not began.is_set()


async def test_a_time_limit_of_the_work_itself_is_not_taken_for_silence() -> None:
    pulse = Pulse("broker", Patient(""))
    with pytest.raises(TimeoutError):
        async with pulse.leaning(), asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_who_is_cancelled_while_leaning_is_cancelled() -> None:
    pulse = Pulse("broker", Patient(""))
    began = asyncio.Event()

    async def lean() -> None:
        async with pulse.leaning():
            began.set()
            await asyncio.Event().wait()

    leaning = asyncio.create_task(lean())
    await began.wait()
    leaning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaning


def _down(pulse: Pulse) -> bool:
    try:
        pulse.needed()
    except Unavailable:
        return True
    return False
