"""The mirror against a real git server over HTTP: freshness, damage, strangers, time-outs, secrets."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from git_examples import until

from dag_common.errors import Unavailable
from dag_common.iac import library, mirror, upkeep
from dag_common.iac.access import Access, Bearer, Password
from dag_common.iac.mirror import Mirror, Tip
from dag_common.iac.tree import read_directory
from dag_sandbox.githost import GitHost

PASSWORD = "sesame-open-please"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[GitHost]:
    async with GitHost(tmp_path / "host", password=PASSWORD) as host:
        await host.create("iac")
        yield host


@pytest.fixture
async def mirrored(host: GitHost, tmp_path: Path) -> AsyncIterator[Mirror]:
    mirror = mirror_of(host, tmp_path)
    yield mirror
    await mirror.close()


@pytest.fixture
def impatient() -> Iterator[None]:
    library.prepare()
    library.set_timeouts(connect=5.0, silence=0.3)
    yield
    library.set_timeouts(connect=library.CONNECT_SECONDS, silence=library.SILENCE_SECONDS)


def mirror_of(host: GitHost, tmp_path: Path, *, branch: str = "main", access: Access | None = None) -> Mirror:
    chosen = access or Access(Password("dag", PASSWORD))
    return Mirror(host.url("iac"), branch, tmp_path / "mirrors", lambda: chosen)


async def files_of(mirrored: Mirror, tip: Tip | None, path: str = "apps/web") -> dict[str, bytes]:
    assert tip is not None
    content = await mirrored.use(lambda repository: read_directory(repository, tip.tree, path))
    assert content is not None
    return content.files


def slot(tmp_path: Path) -> Path:
    """The copy in use."""
    copies = sorted((tmp_path / "mirrors" / "0").glob("*"))
    return copies[-1] if copies else tmp_path / "mirrors" / "0" / "0"


async def test_a_fetch_sees_what_somebody_else_pushed(host: GitHost, mirrored: Mirror) -> None:
    first = await host.commit("iac", {"apps/web/Chart.yaml": b"one"})
    tip = await mirrored.fetch()
    assert tip is not None
    assert tip.commit == first
    assert await files_of(mirrored, tip) == {"Chart.yaml": b"one"}
    await host.commit("iac", {"apps/web/Chart.yaml": b"two"})
    assert await files_of(mirrored, await mirrored.fetch()) == {"Chart.yaml": b"two"}


async def test_an_empty_repository_and_a_missing_branch_have_no_tip(host: GitHost, tmp_path: Path) -> None:
    mirrored = mirror_of(host, tmp_path, branch="live")
    assert await mirrored.fetch() is None
    main = await host.commit("iac", {"a": b"1"})
    upstream = await mirrored.look()
    assert upstream.tip is None
    assert upstream.fork is not None
    assert upstream.fork.commit == main
    live = await host.commit("iac", {"a": b"1"}, branch="live")
    tip = await mirrored.fetch()
    assert tip is not None
    assert tip.commit == live
    host.repository("iac").delete_branch("live")
    assert await mirrored.fetch() is None
    await mirrored.close()


async def test_a_rewritten_branch_is_followed(host: GitHost, mirrored: Mirror) -> None:
    first = await host.commit("iac", {"a": b"1"})
    await host.commit("iac", {"a": b"2"})
    await mirrored.fetch()
    host.repository("iac").rewind(first)
    tip = await mirrored.fetch()
    assert tip is not None
    assert tip.commit == first


async def test_callers_at_the_same_time_share_a_fetch_and_a_later_one_sees_later_pushes(
    host: GitHost, mirrored: Mirror
) -> None:
    await host.commit("iac", {"a": b"1"})
    before = host.app.requests
    tips = await asyncio.gather(*(mirrored.fetch() for _ in range(30)))
    alone = host.app.requests - before
    assert len(set(tips)) == 1
    assert alone <= 4
    under_way = asyncio.create_task(mirrored.fetch())
    await asyncio.sleep(0)
    latest = await host.commit("iac", {"a": b"2"})
    tip = await mirrored.fetch()
    assert tip is not None
    assert tip.commit == latest
    await under_way


async def test_a_caller_who_goes_away_leaves_the_others_their_fetch(host: GitHost, mirrored: Mirror) -> None:
    expected = await host.commit("iac", {"a": b"1"})
    leaving = asyncio.create_task(mirrored.fetch())
    staying = asyncio.create_task(mirrored.fetch())
    await asyncio.sleep(0)
    leaving.cancel()
    tip = await staying
    assert tip is not None
    assert tip.commit == expected


@pytest.mark.parametrize("access", [Access(), Access(Password("dag", "hunter-two-wrong")), Access(Bearer("stolen-no"))])
async def test_wrong_credentials_are_the_operators_fault_and_are_not_quoted(
    host: GitHost, tmp_path: Path, access: Access
) -> None:
    mirrored = mirror_of(host, tmp_path, access=access)
    with pytest.raises(Unavailable, match="credentials") as caught:
        await mirrored.fetch()
    assert "hunter-two-wrong" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert "stolen-no" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert "registry" in caught.value.message
    await mirrored.close()


async def test_rotated_credentials_are_used_at_once(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"a": b"1"})
    current = Password("dag", "the-old-one")
    mirrored = Mirror(host.url("iac"), "main", tmp_path / "mirrors", lambda: Access(current))
    with pytest.raises(Unavailable):
        await mirrored.fetch()
    current = Password("dag", PASSWORD)
    assert await mirrored.fetch() is not None
    await mirrored.close()


async def test_a_bearer_token_is_let_in(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"a": b"1"})
    mirrored = mirror_of(host, tmp_path, access=Access(Bearer(PASSWORD)))
    assert await mirrored.fetch() is not None
    await mirrored.close()


async def test_a_password_in_the_url_is_never_shown(host: GitHost, tmp_path: Path) -> None:
    url = host.url("iac").replace("http://", "http://dag:planted-secret@")
    mirrored = Mirror(url, "main", tmp_path / "mirrors", Access)
    assert "planted-secret" not in mirrored.url
    with pytest.raises(Unavailable) as caught:
        await mirrored.fetch()
    assert "planted-secret" not in caught.value.message
    await mirrored.close()


async def test_an_unknown_repository_a_server_error_and_a_closed_port_are_unavailable(
    host: GitHost, mirrored: Mirror, tmp_path: Path
) -> None:
    elsewhere = Mirror(host.url("unknown"), "main", tmp_path / "other", lambda: Access(Password("dag", PASSWORD)))
    with pytest.raises(Unavailable, match="no such repository"):
        await elsewhere.fetch()
    host.faults.failures = 1
    with pytest.raises(Unavailable, match="503"):
        await mirrored.fetch()
    nobody = Mirror("http://127.0.0.1:1/iac.git", "main", tmp_path / "nobody", Access)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        await nobody.fetch()
    assert await mirrored.fetch() is None


async def test_the_end_of_a_child_process_breaks_no_conversation(host: GitHost, mirrored: Mirror) -> None:
    await mirrored.fetch()
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    host.faults.delay_seconds = 0.5
    try:
        fetching = asyncio.create_task(mirrored.fetch())
        for _ in range(20):
            await asyncio.sleep(0.02)
            for thread in threading.enumerate():
                if thread.name.startswith("git") and thread.ident:
                    signal.pthread_kill(thread.ident, signal.SIGCHLD)
        await fetching
    finally:
        host.faults.delay_seconds = 0.0
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("impatient")
async def test_a_silent_server_is_given_up(host: GitHost, mirrored: Mirror) -> None:
    host.faults.delay_seconds = 30.0
    with pytest.raises(Unavailable, match=r"(?i)timed? ?out"):
        await mirrored.fetch()
    host.faults.delay_seconds = 0.0
    assert await mirrored.fetch() is None


async def test_a_restarted_process_goes_on_with_the_copy_it_had(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"apps/web/Chart.yaml": b"one"})
    first = mirror_of(host, tmp_path)
    await first.fetch()
    await first.close()
    marker = slot(tmp_path) / "kept"
    marker.touch()
    second = mirror_of(host, tmp_path)
    assert await files_of(second, await second.fetch()) == {"Chart.yaml": b"one"}
    assert marker.exists()
    await second.close()


async def test_a_copy_from_before_the_machine_started_anew_is_not_trusted(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"a": b"1"})
    first = mirror_of(host, tmp_path)
    tip = await first.fetch()
    await first.close()
    (slot(tmp_path) / upkeep.BOOT_MARK).write_text("an earlier boot")
    second = mirror_of(host, tmp_path)
    assert await second.fetch() == tip
    assert [copy.name for copy in (tmp_path / "mirrors" / "0").iterdir()] == ["1"]
    await second.close()


async def test_two_mirrors_given_one_directory_do_not_meet(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"a": b"1"})
    one, two = mirror_of(host, tmp_path), mirror_of(host, tmp_path)
    assert await one.fetch() == await two.fetch()
    assert (tmp_path / "mirrors" / "1" / "0" / "HEAD").exists()
    await one.close()
    await two.close()


def cut_packs_short(copy: Path) -> None:
    for pack in (copy / "objects" / "pack").glob("*.pack"):
        os.truncate(pack, 20)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "objects gone": lambda copy: shutil.rmtree(copy / "objects" / "pack"),
    "pack cut short": cut_packs_short,
    "head gone": lambda copy: (copy / "HEAD").unlink(),
    "ref is rubbish": lambda copy: (copy / "refs" / "dag" / "tip").write_text("rubbish"),
    "configuration is rubbish": lambda copy: (copy / "config").write_text("[[["),
    "everything gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_copy_is_cloned_anew(host: GitHost, mirrored: Mirror, tmp_path: Path, damage: str) -> None:
    await host.commit("iac", {"apps/web/Chart.yaml": b"one"})
    await mirrored.fetch()
    for file in slot(tmp_path).rglob("*"):
        file.chmod(0o755)
    DAMAGES[damage](slot(tmp_path))
    assert await files_of(mirrored, await mirrored.fetch()) == {"Chart.yaml": b"one"}


async def test_damage_met_while_reading_is_repaired_too(host: GitHost, mirrored: Mirror, tmp_path: Path) -> None:
    await host.commit("iac", {"apps/web/Chart.yaml": b"one"})
    tip = await mirrored.fetch()
    shutil.rmtree(slot(tmp_path) / "objects")
    readers = await asyncio.gather(*(files_of(mirrored, tip) for _ in range(5)))
    assert readers == [{"Chart.yaml": b"one"}] * 5


_KILLED = """
import asyncio, sys
from pathlib import Path
from dag_common.iac.access import Access, Password
from dag_common.iac.mirror import Mirror
print("started", flush=True)
asyncio.run(Mirror(sys.argv[1], "main", Path(sys.argv[2]), lambda: Access(Password("dag", sys.argv[3]))).fetch())
"""


async def test_a_process_killed_in_its_first_fetch_leaves_nothing_that_hurts(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {f"apps/web/{number}": os.urandom(20_000) for number in range(200)})
    host.faults.stall_answers = True
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, host.url("iac"), str(tmp_path / "mirrors"), PASSWORD, stdout=-1
    )
    assert process.stdout is not None
    await process.stdout.readline()
    await until(lambda: bool(list(slot(tmp_path).rglob("*_git2_*"))))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    (slot(tmp_path) / "refs" / "dag").mkdir(parents=True, exist_ok=True)
    (slot(tmp_path) / "refs" / "dag" / "tip.lock").touch()
    host.faults.stall_answers = False
    mirrored = mirror_of(host, tmp_path)
    assert len(await files_of(mirrored, await mirrored.fetch())) == 200
    assert not list(slot(tmp_path).rglob("*_git2_*"))
    assert not (tmp_path / "mirrors" / "1").exists()
    await mirrored.close()


@pytest.mark.parametrize("git", ["there", "absent"])
async def test_a_crowded_copy_is_packed_or_cloned_anew(
    host: GitHost, mirrored: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: str
) -> None:
    for number in range(3):
        await host.commit("iac", {f"apps/web/{number}": b"text"})
        await mirrored.fetch()
    assert len(list(slot(tmp_path).glob("objects/pack/*.pack"))) == 3
    monkeypatch.setattr(upkeep, "_PACKS", 2)
    if git == "absent":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert len(await files_of(mirrored, await mirrored.fetch())) == 3
    assert len(list(slot(tmp_path).glob("objects/pack/*.pack"))) == 1


async def test_a_directory_that_cannot_be_written_is_told(host: GitHost, tmp_path: Path) -> None:
    (tmp_path / "mirrors").write_text("a file in the way")
    with pytest.raises(Unavailable, match="mirror directory"):
        await mirror_of(host, tmp_path).fetch()


async def test_a_directory_that_could_not_be_used_often_is_used_when_it_can_be(host: GitHost, tmp_path: Path) -> None:
    await host.commit("iac", {"a": b"1"})
    in_the_way = tmp_path / "mirrors" / "0"
    in_the_way.parent.mkdir()
    in_the_way.write_text("a file")
    mirrored = mirror_of(host, tmp_path)
    for _ in range(3):
        with pytest.raises(Unavailable, match="mirror directory"):
            await mirrored.fetch()
    in_the_way.unlink()
    assert await mirrored.fetch() is not None
    assert slot(tmp_path).exists()
    await mirrored.close()


def test_a_mirror_that_is_never_used_opens_nothing(tmp_path: Path) -> None:
    mirror.Mirror("http://127.0.0.1:1/iac.git", "main", tmp_path / "mirrors", Access)
    assert not (tmp_path / "mirrors").exists()
