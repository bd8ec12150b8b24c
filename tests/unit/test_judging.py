"""A bug met with odd objects: it is told, it hurts no other target, and the deadline ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NoReturn

import pytest
from no_cluster import NoCluster
from rollout_states import PUSHED_AT, after, pushed
from structlog.testing import capture_logs

from dag_common.contracts.events import DeploymentFailed, RolloutFailed, RolloutTarget
from dag_common.domain.deployment import Deployment
from dag_monitor.domain import judges
from dag_monitor.domain.expectation import Expectation, Knowledge, Objects, Ref
from dag_monitor.domain.rollout import Sight, decide
from dag_monitor.domain.sighting import Seen
from dag_monitor.domain.verdict import Progressing, Succeeded, Verdict
from dag_monitor.handlers.judging import Lookout

ODD = RolloutTarget(kind="odd", cluster="prod", namespace="default", name="odd", timeout_seconds=60)
BLIND = RolloutTarget(kind="none", cluster="prod", namespace="default", name="blind", timeout_seconds=60)
FINE = RolloutTarget(kind="none", cluster="prod", namespace="default", name="fine", timeout_seconds=60)


class View:
    def __init__(self, target: RolloutTarget) -> None:
        self._target = target

    async def look(self) -> Seen:
        if self._target == BLIND:
            raise RecursionError("token=hunter2")
        return Seen({})


class Views:
    @asynccontextmanager
    async def open(self, target: RolloutTarget, changed: asyncio.Event) -> AsyncIterator[View]:
        yield View(target)


class NoHistory:
    async def knowledge(self, deployment: Deployment, seen: Collection[str], changed: asyncio.Event) -> Knowledge:
        return Knowledge()


def baffled(objects: Objects, expectation: Expectation) -> NoReturn:
    raise KeyError("token=hunter2")


def nothing(objects: Objects, target: RolloutTarget) -> tuple[Ref, ...]:
    return ()


@pytest.fixture(autouse=True)
def odd_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(judges.JUDGES, "odd", judges.Judge(baffled, nothing))


async def looked(deployment: Deployment, *, times: int = 1) -> dict[str, Verdict]:
    async with Lookout(Views(), NoHistory(), NoCluster(), NoCluster()).on(deployment, asyncio.Event()) as judging:
        for _ in range(times):
            verdicts = await judging.verdicts(deployment)
    return verdicts


async def test_an_error_in_a_judge_or_a_window_is_told_by_its_type_and_other_targets_go_on() -> None:
    verdicts = await looked(pushed(ODD, BLIND, FINE))
    assert isinstance(verdicts[FINE.id], Succeeded)
    for target, error in ((ODD, "KeyError"), (BLIND, "RecursionError")):
        verdict = verdicts[target.id]
        assert isinstance(verdict, Progressing)
        assert error in verdict.message
        assert "hunter2" not in verdict.message


async def test_an_error_met_at_every_look_is_logged_once_with_its_traceback() -> None:
    with capture_logs() as logs:
        await looked(pushed(ODD, FINE), times=3)
    (line,) = logs
    assert (line["event"], line["target"]) == ("target_not_judged", ODD.id)
    assert isinstance(line["exc_info"], KeyError)


async def test_what_cannot_be_judged_fails_at_its_deadline_and_says_so() -> None:
    state = pushed(ODD, FINE)
    state = after(state, *decide(state, Sight(await looked(state)), PUSHED_AT))
    facts = decide(state, Sight(await looked(state)), PUSHED_AT + timedelta(seconds=60))
    failed, ended = facts
    assert isinstance(failed, RolloutFailed)
    assert (failed.target, failed.reason) == (ODD.id, "timeout")
    assert "KeyError" in failed.message
    assert isinstance(ended, DeploymentFailed)
