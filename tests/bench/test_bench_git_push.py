"""What a group commit saves and a big IaC repository costs. `make bench ARGS=tests/bench/test_bench_git_push.py`"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import pytest
from git_examples import push_until_settled, waiting
from rich.console import Console
from rich.table import Table

from dag_common.iac.access import Access
from dag_common.iac.mirror import Mirror
from dag_pusher.domain.outcome import Pushed
from dag_pusher.git import IacBranch
from dag_sandbox.githost import GitHost

SIZES = (100, 1_000, 10_000)
BATCH = 50


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[GitHost]:
    async with GitHost(tmp_path / "host") as host:
        yield host


async def timed(branch: IacBranch, positions: range, at_once: int) -> float:
    """Seconds for these deployments, so many in one push."""
    started = perf_counter()
    for first in range(positions.start, positions.stop, at_once):
        charts = [waiting(position, path=f"apps/web{position % 10}") for position in range(first, first + at_once)]
        _, outcome, _ = await push_until_settled(branch, charts)
        assert outcome == Pushed()
    return perf_counter() - started


async def test_pushing_in_groups_and_one_at_a_time(host: GitHost, tmp_path: Path) -> None:
    table = Table("files", "first clone", "50 in one push", "one alone", "look only", title="pushing over smart HTTP")
    for size in SIZES:
        name = f"iac{size}"
        files = {f"dir{number % 97}/sub{number % 7}/file{number}.yaml": b"text %d" % number for number in range(size)}
        await host.commit(name, files)
        mirror = Mirror(host.url(name), "main", tmp_path / name, Access)
        branch = IacBranch(mirror)
        started = perf_counter()
        await mirror.fetch()
        clone = perf_counter() - started
        group = await timed(branch, range(1, BATCH + 1), BATCH)
        alone = await timed(branch, range(101, 111), 1) / 10
        started = perf_counter()
        await mirror.fetch()
        look = perf_counter() - started
        table.add_row(f"{size:,}", *(f"{seconds:.3f} s" for seconds in (clone, group, alone, look)))
        await mirror.close()
    Console(width=100).print(table)
