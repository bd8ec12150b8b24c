"""The mirror against a real git server over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dag_common.iac.access import Access, Password
from dag_common.iac.mirror import Mirror, Tip
from dag_common.iac.tree import read_directory
from dag_sandbox.githost import GitHost

PASSWORD = "sesame-open-please"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[GitHost]:
    async with GitHost(tmp_path / "host", password=PASSWORD) as host:
        yield host


def mirror_of(host: GitHost, tmp_path: Path, *, branch: str = "main", password: str = PASSWORD) -> Mirror:
    return Mirror(host.url("iac"), branch, tmp_path / "mirrors", lambda: Access(Password("dag", password)))


async def files_of(mirror: Mirror, tip: Tip | None, path: str = "apps/web") -> dict[str, bytes]:
    assert tip is not None
    content = await mirror.use(lambda repository: read_directory(repository, tip.tree, path))
    assert content is not None
    return content.files


async def test_a_fetch_sees_what_somebody_else_pushed(host: GitHost, tmp_path: Path) -> None:
    mirror = mirror_of(host, tmp_path)
    first = await host.commit("iac", {"apps/web/Chart.yaml": b"one"})
    tip = await mirror.fetch()
    assert tip is not None
    assert tip.commit == first
    assert await files_of(mirror, tip) == {"Chart.yaml": b"one"}
    await host.commit("iac", {"apps/web/Chart.yaml": b"two"})
    assert await files_of(mirror, await mirror.fetch()) == {"Chart.yaml": b"two"}
    await mirror.close()
