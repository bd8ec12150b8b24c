"""What a deployment would change in the IaC repository, if its chart were pushed onto what is there now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, Literal

import pygit2
from msgspec import UNSET

from dag_common.charts.archive import Chart
from dag_common.charts.version import stamp
from dag_common.contracts.events import DeploymentRequested
from dag_common.iac.tree import Entry, as_entry, list_directory, read_entry
from dag_common.store import event_log
from dag_common.store.database import Database
from dag_gateway.queries.diffs import KIB, MAX_COMPARED_BYTES, MAX_DIFF_BYTES, Diff, Side, difference
from dag_gateway.queries.iac import MirrorSource
from dag_gateway.queries.views import IacView, PlannedFile, PlannedTarget, PlanView

MAX_DIFFS_BYTES: Final = 512 * KIB
MAX_FILES: Final = 1_000

Position = Callable[[], Awaitable[int]]


class PlanQueries:
    """Reads only. `next_position` tells which position in the log the next event would take."""

    def __init__(self, mirrors: MirrorSource, next_position: Position) -> None:
        self._mirrors = mirrors
        self._next_position = next_position

    async def plan(self, requested: DeploymentRequested, chart: Chart) -> PlanView:
        """The chart, stamped as the pusher would stamp it, compared with its directory at the branch's tip.

        A branch that does not exist yet begins at the default branch's tip. Raises `Invalid` where the deployment
        would be accepted and then fail for good: a chart that cannot be stamped, a path with something in the way.
        Raises `Unavailable` if the git host, or the log where the version depends on it, cannot be asked.
        """
        serial = await self._next_position() if requested.unique_version else None
        stamped = await asyncio.to_thread(stamp, chart, requested.version, serial=serial)
        mirror = self._mirrors.of(requested.iac.repository, requested.iac.branch)
        upstream = await mirror.look()
        start = upstream.tip or upstream.fork
        root = None if start is None else start.tree
        files, omitted = await mirror.use(
            lambda repository: planned_files(repository, root, requested.iac.path, stamped.files)
        )
        return PlanView(
            environment=requested.environment,
            chart_version=stamped.chart_version,
            chart_version_note="" if serial is None else _note(serial),
            iac=IacView(**{name: getattr(requested.iac, name) for name in IacView.__struct_fields__}),
            tip=None if start is None else start.commit,
            targets=_targets(requested),
            unchanged=not files,
            files=files,
            files_omitted=omitted,
        )


def next_position_in(database: Database) -> Position:
    """The position after the head of the log, as of now."""

    async def next_position() -> int:
        async with database.connection() as connection:
            return (await event_log.head(connection)).position + 1

    return next_position


def planned_files(
    repository: pygit2.Repository, root: str | None, path: str, files: Mapping[str, bytes]
) -> tuple[tuple[PlannedFile, ...], int]:
    """The files that change when `files` replace the directory `path` of the tree `root`, and how many are left out.

    They are in order of their paths; the first get their diffs. Nothing is written. Raises `Invalid` if something
    is in the way.
    """
    before = {} if root is None else list_directory(repository, root, path)
    after = {name: as_entry(content) for name, content in files.items()}
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    shown = _Shown(repository, before, after, files).of(changed[:MAX_FILES])
    return tuple(shown), len(changed[MAX_FILES:])


class _Shown:
    """Files with their diffs, for as long as there is room for diffs."""

    def __init__(
        self,
        repository: pygit2.Repository,
        before: Mapping[str, Entry],
        after: Mapping[str, Entry],
        files: Mapping[str, bytes],
    ) -> None:
        self._repository = repository
        self._before = before
        self._after = after
        self._files = files

    def of(self, names: list[str]) -> Iterator[PlannedFile]:
        room = MAX_DIFFS_BYTES
        for name in names:
            told = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            diff = difference(told, self._old(name), self._new(name), min(room, MAX_DIFF_BYTES))
            room -= len((diff.text or "").encode())
            yield self._file(name, told, diff)

    def _old(self, name: str) -> Side | None:
        entry = self._before.get(name)
        if entry is None:
            return None
        return Side(entry.mode, read_entry(self._repository, entry, max_bytes=MAX_COMPARED_BYTES))

    def _new(self, name: str) -> Side | None:
        entry = self._after.get(name)
        return None if entry is None else Side(entry.mode, self._files[name])

    def _file(self, name: str, told: str, diff: Diff) -> PlannedFile:
        text = UNSET if diff.text is None else diff.text
        return PlannedFile(path=told, change=self._change(name), diff=text, truncated=diff.truncated)

    def _change(self, name: str) -> Literal["added", "changed", "removed"]:
        if name not in self._before:
            return "added"
        return "changed" if name in self._after else "removed"


def _targets(requested: DeploymentRequested) -> tuple[PlannedTarget, ...]:
    names = PlannedTarget.__struct_fields__
    return tuple(PlannedTarget(**{name: getattr(target, name) for name in names}) for target in requested.targets)


def _note(serial: int) -> str:
    return f"It ends in the deployment's position in the log: {serial} if nothing is recorded before it"
