from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from dag_common.errors import Invalid
from dag_common.registry.file import RegistryFile

TEXT = """
providers:
  gitlab: {{kind: gitlab, url: "https://gitlab.example.com", ca: {{file: ca.pem}}}}
iac:
  infra: {{url: "https://git.example.com/infra.git", branch: {branch}}}
apps: []
"""


def _text(branch: str) -> str:
    return TEXT.format(branch=branch)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _remove(path: Path) -> None:
    path.unlink()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # the file system tells nobody
            await asyncio.sleep(0.01)


def _file(path: Path) -> RegistryFile:
    return RegistryFile(path, settle_seconds=0)


@pytest.fixture
def dag_yaml(tmp_path: Path) -> Path:
    path = tmp_path / "dag.yaml"
    path.write_text(_text("one"))
    return path


async def test_a_changed_file_takes_effect_and_an_unchanged_one_changes_nothing(dag_yaml: Path) -> None:
    file = _file(dag_yaml)
    before = await file.start()
    assert not await file.refresh()
    assert file.current() is before
    _write(dag_yaml, _text("two"))
    assert await file.refresh()
    assert file.current().iac("infra").branch == "two"
    assert file.current().digest != before.digest


async def test_a_broken_new_file_is_refused_loudly_once_and_the_old_registry_stays(dag_yaml: Path) -> None:
    file = _file(dag_yaml)
    before = await file.start()
    _write(dag_yaml, "apps: [\n")
    with structlog.testing.capture_logs() as logs:
        assert not await file.refresh()
        assert not await file.refresh()
    assert file.current() is before
    (refusal,) = logs
    assert (refusal["event"], refusal["log_level"]) == ("registry_refused", "error")
    assert refusal["problems"][0].startswith("dag.yaml:2: not valid YAML")
    _write(dag_yaml, _text("two"))
    assert await file.refresh()


async def test_a_bad_entry_is_logged_and_the_rest_takes_effect(dag_yaml: Path) -> None:
    file = _file(dag_yaml)
    await file.start()
    _write(dag_yaml, _text("two").replace("apps: []", "apps: [{name: broken}]"))
    with structlog.testing.capture_logs() as logs:
        assert await file.refresh()
    assert file.current().iac("infra").branch == "two"
    assert "apps[0]: repoUrl is missing: expected text" in "\n".join(str(entry.get("problem")) for entry in logs)


async def test_a_file_that_is_gone_for_a_moment_leaves_the_old_registry(dag_yaml: Path) -> None:
    file = _file(dag_yaml)
    before = await file.start()
    _remove(dag_yaml)
    with pytest.raises(Invalid, match="cannot be read: No such file"):
        await file.refresh()
    assert file.current() is before


async def test_a_half_written_file_is_not_taken(dag_yaml: Path) -> None:
    file = RegistryFile(dag_yaml, settle_seconds=0.05)
    await file.start()
    _write(dag_yaml, _text("half"))
    refreshing = asyncio.create_task(file.refresh())
    await asyncio.sleep(0)
    _write(dag_yaml, _text("whole"))
    assert await refreshing
    assert file.current().iac("infra").branch == "whole"


async def test_a_swapped_symlink_is_seen_as_kubernetes_swaps_config_maps(tmp_path: Path) -> None:
    for name in ("..first", "..second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dag.yaml").write_text(_text(name.removeprefix("..")))
    data = tmp_path / "..data"
    data.symlink_to("..first")
    (tmp_path / "dag.yaml").symlink_to("..data/dag.yaml")
    whole_directory, one_file = _file(tmp_path), _file(tmp_path / "dag.yaml")
    for file in (whole_directory, one_file):
        assert (await file.start()).iac("infra").branch == "first"
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to("..second")
    fresh.rename(data)
    for file in (whole_directory, one_file):
        assert await file.refresh()
        assert file.current().iac("infra").branch == "second"


async def test_a_directory_takes_new_files_and_ignores_others(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(_text("one"))
    (tmp_path / "notes.txt").write_text("not yaml: [")
    (tmp_path / ".hidden.yaml").write_text("not yaml: [")
    file = _file(tmp_path)
    await file.start()
    (tmp_path / "more.yml").write_text("clusters: {here: {inCluster: true}}")
    assert await file.refresh()
    assert file.current().cluster("here").in_cluster


async def test_at_the_start_a_broken_file_of_a_directory_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apps: [")
    (tmp_path / "b.yaml").write_text(_text("one"))
    file = _file(tmp_path)
    assert (await file.start()).iac("infra").branch == "one"
    assert [problem.file for problem in file.current().problems] == ["a.yaml"]


@pytest.mark.parametrize("content", [None, "apps: [", ""])
async def test_nothing_to_start_with_is_an_error_that_tells_all(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "dag.yaml").write_text(content)
    with pytest.raises(Invalid, match=r"the registry cannot be read:\n.*yaml"):
        await _file(tmp_path).start()


async def test_relative_paths_count_from_the_file(dag_yaml: Path) -> None:
    registry = await _file(dag_yaml).start()
    ca = registry.provider("gitlab").ca
    assert ca is not None
    assert ca.path == dag_yaml.parent / "ca.pem"


async def test_watching_goes_on_after_the_file_could_not_be_read(dag_yaml: Path) -> None:
    file = _file(dag_yaml)
    await file.start()
    _remove(dag_yaml)
    watching = asyncio.create_task(file.watch(poll_seconds=0.01))
    with structlog.testing.capture_logs() as logs:
        await _until(lambda: bool(logs))
    _write(dag_yaml, _text("back"))
    await _until(lambda: file.current().iac("infra").branch == "back")
    watching.cancel()
    assert logs[0]["event"] == "registry_unreadable"
