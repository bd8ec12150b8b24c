from __future__ import annotations

import asyncio
import os
import signal
import stat
import tempfile
from pathlib import Path

import asyncpg
import pytest

from dag_common.errors import Conflict, Unavailable
from dag_standalone.embedded import embedded_postgres


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path / "data") as url:
        await _execute(url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    assert not (tmp_path / "data/postgres/postmaster.pid").exists()
    async with embedded_postgres(tmp_path / "data") as url:
        assert await _value(url, "SELECT n FROM kept") == 7


async def test_a_server_left_behind_is_taken_over_and_stopped(tmp_path: Path) -> None:
    left = embedded_postgres(tmp_path)
    await left.__aenter__()
    pid = _postmaster(tmp_path)
    (tmp_path / "lock").unlink()  # a new file is a free lock, as after the death of its holder
    async with embedded_postgres(tmp_path) as url:
        assert _postmaster(tmp_path) == pid
        assert await _value(url, "SELECT 1") == 1
    assert not _alive(pid)
    await left.__aexit__(None, None, None)


async def test_a_killed_server_starts_again_on_its_data(tmp_path: Path) -> None:
    first = embedded_postgres(tmp_path)
    url = await first.__aenter__()
    await _execute(url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    os.kill(_postmaster(tmp_path), signal.SIGKILL)
    await first.__aexit__(None, None, None)
    assert (tmp_path / "postgres/postmaster.pid").exists()
    async with embedded_postgres(tmp_path) as again:
        assert await _value(again, "SELECT n FROM kept") == 7


async def test_a_second_user_of_the_directory_is_told_so(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path):
        with pytest.raises(Conflict, match="Another DAG runs on"):
            await embedded_postgres(tmp_path).__aenter__()


async def test_data_of_another_postgres_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres/PG_VERSION").write_text("14\n")
    with pytest.raises(Unavailable, match="holds data of Postgres 14"):
        await embedded_postgres(tmp_path).__aenter__()


async def test_a_half_made_data_directory_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new/PG_VERSION").write_text("18\n")
    async with embedded_postgres(tmp_path) as url:
        assert await _value(url, "SELECT 1") == 1


async def test_directories_above_the_data_keep_their_permissions(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with embedded_postgres(closed / "data") as url:
        assert await _value(url, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


async def test_a_path_too_long_for_a_socket_still_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = Path(tempfile.mkdtemp(prefix="s"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    async with embedded_postgres(tmp_path / ("long" * 30)) as url:
        assert await _value(url, "SELECT 1") == 1
    await asyncio.to_thread(short.rmdir)  # fails if anything was left in it


async def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="DAG_DATA_DIR"):
        await embedded_postgres(tmp_path / "file/data").__aenter__()


def _postmaster(directory: Path) -> int:
    return int((directory / "postgres/postmaster.pid").read_text().splitlines()[0])


def _alive(pid: int) -> bool:
    """A dead process that nobody has waited for yet does not count."""
    process = Path(f"/proc/{pid}/stat")
    return process.exists() and process.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statements)
    await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
