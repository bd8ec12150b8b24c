"""A whole installation in a storm of faults. `make faults` runs more of it; see the docstring of `wanted`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from acceptance.faults.demanded import NAMES, missing
from acceptance.faults.ends import ENDS
from acceptance.faults.processes import DEATHS
from acceptance.faults.report import told
from acceptance.faults.run import Outcome, Size, run
from acceptance.faults.weather import FAULTS, Weather

LONG = 300
"""Deployments of a run in which every end has to occur."""


def wanted() -> tuple[list[int], Size]:
    """DAG_FAULT_SEEDS ("1-20" or "3,7"), DAG_FAULT_DEPLOYMENTS; without them a short form of one seed."""
    first, _, last = os.environ.get("DAG_FAULT_SEEDS", "1").partition("-")
    seeds = [int(seed) for seed in first.split(",")]
    if last:
        seeds = list(range(seeds[0], int(last) + 1))
    deployments = int(os.environ.get("DAG_FAULT_DEPLOYMENTS", "40"))
    return seeds, Size(deployments) if deployments >= LONG else Size(deployments, at_once=8, deaths=1)


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
    found = wrong(outcome)
    assert not found, "\n".join([*found, outcome.story])


def wrong(outcome: Outcome) -> list[str]:
    """What should have happened and did not, and the other way round."""
    absent = [end for end in ENDS if not outcome.ends[end] and SIZE.deployments >= LONG]
    return [
        *(f"{name} never struck" for name in missing(outcome.struck)),
        *(f"no deployment ended {end}" for end in absent),
        *([] if outcome.foreign_pushes > outcome.seconds / 2 else ["others pushed less than every other second"]),
        *outcome.unfounded,
        *outcome.unforeseen,
    ]


def test_a_seed_always_brings_the_same_storm_and_every_fault_is_in_it() -> None:
    forecast = Weather(7, deaths=3).forecast
    assert forecast == Weather(7, deaths=3).forecast
    assert forecast != Weather(8, deaths=3).forecast
    assert Counter(forecast) == {fault.__name__: 3 if fault in DEATHS else 1 for fault in FAULTS}


def test_the_suite_breaks_all_that_was_asked_for_and_a_fault_that_is_taken_out_is_missed() -> None:
    assert sorted(fault.__name__ for fault in FAULTS) == sorted(NAMES)


def test_a_fault_that_never_struck_is_missed() -> None:
    struck = Counter(fault.__name__ for fault in FAULTS)
    assert missing(struck) == []
    struck[FAULTS[0].__name__] = 0
    del struck[FAULTS[1].__name__]
    assert sorted(missing(struck)) == sorted(fault.__name__ for fault in FAULTS[:2])
