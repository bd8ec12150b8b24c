"""Charts that wait to be pushed, and the loop that pushes them, as tests need them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from examples import REQUESTED, requested

from dag_common.contracts.events import ChartRef, DeploymentId, IacTarget
from dag_pusher.domain.batch import Batch, WaitingChart
from dag_pusher.domain.outcome import Outcome, Raced
from dag_pusher.git import IacBranch

REQUESTED_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def chart_files(version: str, **more: bytes) -> dict[str, bytes]:
    """A small chart's files."""
    return {
        "Chart.yaml": f"apiVersion: v2\nname: podinfo\nversion: {version}\n".encode(),
        "templates/deployment.yaml": b"kind: Deployment\n",
        **more,
    }


def waiting(position: int, *, path: str = "apps/web", bases: tuple[str, ...] = (), version: str = "") -> WaitingChart:
    """A deployment at this position; its files differ by version, which is the position if not given."""
    version = version or f"1.0.{position}"
    files = chart_files(version)
    return WaitingChart(
        deployment_id=DeploymentId(f"00000000-0000-7000-8000-{position:012d}"),
        requested=requested(
            version=version,
            chart=ChartRef(sha256=digest(files), size=1, name="podinfo", version=version),
            iac=IacTarget(repository="iac", url=REQUESTED.iac.url, branch="main", path=path),
        ),
        requested_at=REQUESTED_AT,
        position=position,
        log_head="ef" * 32,
        files=files,
        bases=bases,
    )


def digest(files: Mapping[str, bytes]) -> str:
    """A stand-in for the archive's sha256."""
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that no event announces; at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


async def attempt(branch: IacBranch, charts: Sequence[WaitingChart]) -> tuple[Batch, Outcome]:
    """Look, prepare and push once."""
    batch = await branch.prepare(charts, await branch.look())
    return batch, await branch.push(batch)


async def push_until_settled(branch: IacBranch, charts: Sequence[WaitingChart]) -> tuple[Batch, Outcome, int]:
    """What a pusher does on one lane: again while somebody else was first, at most ten times."""
    for number in range(1, 11):
        batch, outcome = await attempt(branch, charts)
        if not isinstance(outcome, Raced):
            return batch, outcome, number
    raise AssertionError(f"still raced: {outcome}")
