"""A whole installation in a storm of faults. `make faults` runs more of it; see the docstring of `wanted`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from acceptance.faults.report import told
from acceptance.faults.run import Outcome, Size, run
from acceptance.faults.weather import FAULTS, Weather

ALLOWED = {"deployed", "superseded", "cancelled", "rejected"}
"""How a deployment may end here. A time-out or an error of DAG's own is a fault that was not survived."""


def wanted() -> tuple[list[int], Size]:
    """DAG_FAULT_SEEDS ("1-20" or "3,7"), DAG_FAULT_DEPLOYMENTS; without them a short form of one seed."""
    first, _, last = os.environ.get("DAG_FAULT_SEEDS", "1").partition("-")
    seeds = [int(seed) for seed in first.split(",")]
    if last:
        seeds = list(range(seeds[0], int(last) + 1))
    deployments = int(os.environ.get("DAG_FAULT_DEPLOYMENTS", "40"))
    return seeds, Size(deployments=deployments) if deployments > 100 else Size(
        deployments=deployments, at_once=8, rounds=1
    )


SEEDS, SIZE = wanted()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_storm_of_faults_loses_nothing_doubles_nothing_and_leaves_nothing_stuck(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nfault suite: seed {seed}, DAG_FAULT_SEEDS={seed} replays it", flush=True)  # noqa: T201
    outcome = await run(seed, SIZE, tmp_path)
    with capsys.disabled():
        print(told(outcome), flush=True)  # noqa: T201
    assert not outcome.missing, f"never struck: {outcome.missing}"
    assert sum(outcome.ends.values()) >= SIZE.deployments
    assert set(outcome.ends) <= ALLOWED, unforeseen(outcome)


def unforeseen(outcome: Outcome) -> list[str]:
    """The last words of deployments that ended as none should."""
    records = [stream[-1] for stream in outcome.evidence.streams.values()]
    return [f"{record.deployment_id}: {record.payload}" for record in records if _reason(record.payload) not in ALLOWED]


def _reason(payload: str) -> str:
    return next((reason for reason in ALLOWED if f'"reason":"{reason}"' in payload), "")


def test_a_seed_always_brings_the_same_storm_and_every_fault_is_in_it() -> None:
    forecast = Weather(7, rounds=2).forecast
    assert forecast == Weather(7, rounds=2).forecast
    assert forecast != Weather(8, rounds=2).forecast
    assert Counter(forecast) == {fault.__name__: 2 for fault in FAULTS}


def test_a_fault_that_never_struck_is_missed() -> None:
    weather = Weather(7)
    weather.struck.update(fault.__name__ for fault in FAULTS[1:])
    assert weather.missing() == [FAULTS[0].__name__]
