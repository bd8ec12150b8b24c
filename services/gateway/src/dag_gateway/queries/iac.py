"""What is deployed, read from the tip of the IaC repository."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import pygit2

from dag_common.charts.metadata import CHART_YAML, read_metadata
from dag_common.charts.pack import pack
from dag_common.charts.values import read_yaml
from dag_common.contracts.events import IacTarget
from dag_common.errors import Invalid, NotFound, TooLarge
from dag_common.iac.mirror import Mirror, Tip
from dag_common.iac.tree import OtherKind, find_directory, read_directory, read_file
from dag_gateway.admission import Admission, Admitted, Asked
from dag_gateway.queries.cache import AnswerCache

MAX_VALUES_BYTES: Final = 5 * 1024 * 1024
"""Helm's limit for one file of a chart (helm, pkg/chart/loader/archive/archive.go)."""

VALUES: Final = "values.yaml"


class MirrorSource(Protocol):
    """Hands out the mirror of a branch of an IaC repository, by its registry name."""

    def of(self, repository: str, branch: str) -> Mirror: ...


@dataclass(frozen=True, slots=True)
class DeployedChart:
    """The chart as a gzipped tarball; `name` is the app's, for a file name."""

    name: str
    archive: bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """The chart directory at the tip: its place, and its tree id, which says whether anything changed."""

    iac: IacTarget
    tip: Tip
    tree: str
    mirror: Mirror

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.iac.path.rpartition("/")[2]


class IacQueries:
    """Answers are kept by tree id; a directory that has not changed is read and packed once."""

    def __init__(self, admission: Admission, mirrors: MirrorSource) -> None:
        self._admission = admission
        self._mirrors = mirrors
        self._cache = AnswerCache()

    async def chart(self, asked: Asked) -> DeployedChart:
        """The chart directory as an archive.

        Raises what `Admission.admit` does, `Invalid` if the path leaves the repository, `NotFound` if nothing is
        there, `Unavailable` if the git host cannot be asked.
        """
        admitted = await self._admission.admit(asked)
        directory = await self._directory(admitted)
        archive = self._cache.get(directory.name, directory.tree) or await self._packed(directory)
        return DeployedChart(admitted.app.name, archive)

    async def values(self, asked: Asked) -> bytes:
        """values.yaml as JSON. Raises as `chart` does, and `Invalid` for malformed YAML."""
        directory = await self._directory(await self._admission.admit(asked))
        return self._cache.get(f"/{VALUES}", directory.tree) or await self._converted(directory)

    async def _directory(self, admitted: Admitted) -> Directory:
        iac, _ = admitted.resolve()
        mirror = self._mirrors.of(iac.repository, iac.branch)
        tip = await mirror.fetch()
        if tip is None:
            raise NotFound(f"The IaC repository {iac.repository} has no branch {iac.branch} yet")
        tree = await mirror.use(lambda repository: _found(repository, tip.tree, iac))
        if tree is None:
            raise NotFound(f"Nothing is deployed yet: {iac.repository} has no directory {iac.path} on {iac.branch}")
        return Directory(iac, tip, tree, mirror)

    async def _packed(self, directory: Directory) -> bytes:
        files = await directory.mirror.use(lambda repository: _files(repository, directory))
        archive = await asyncio.to_thread(_archive, files, directory.name)
        return self._cache.put(directory.name, directory.tree, archive)

    async def _converted(self, directory: Directory) -> bytes:
        content = await directory.mirror.use(lambda repository: _values(repository, directory))
        if content is None:
            iac = directory.iac
            raise NotFound(f"{iac.repository} has no {iac.path}/{VALUES} on {iac.branch}")
        return self._cache.put(f"/{VALUES}", directory.tree, await asyncio.to_thread(_json, content))


def _found(repository: pygit2.Repository, root: str, iac: IacTarget) -> str | None:
    try:
        return find_directory(repository, root, iac.path)
    except OtherKind as exc:
        raise NotFound(f"There is no chart directory in {iac.repository} on {iac.branch}: {exc.message}") from exc


def _files(repository: pygit2.Repository, directory: Directory) -> Mapping[str, bytes]:
    try:
        content = read_directory(repository, directory.tip.tree, directory.iac.path)
    except TooLarge as exc:
        raise _not_a_chart(exc) from exc
    return {} if content is None else content.files


def _values(repository: pygit2.Repository, directory: Directory) -> bytes | None:
    path = f"{directory.iac.path}/{VALUES}"
    try:
        return read_file(repository, directory.tip.tree, path, max_bytes=MAX_VALUES_BYTES)
    except OtherKind as exc:
        raise NotFound(f"There is no {VALUES} in {directory.iac.repository}: {exc.message}") from exc
    except TooLarge as exc:
        raise _not_a_chart(exc) from exc


def _not_a_chart(exc: TooLarge) -> Invalid:
    """The request was not too large, what lies in the repository is."""
    return Invalid(f"What lies in the IaC repository is no chart: {exc.message}")


def _archive(files: Mapping[str, bytes], directory_name: str) -> bytes:
    return pack(_chart_name(files, directory_name), files)


def _chart_name(files: Mapping[str, bytes], directory_name: str) -> str:
    """The chart's own name; the directory's if somebody else put something there that is not quite a chart."""
    try:
        return read_metadata(files.get(CHART_YAML, b"")).name
    except Invalid:
        return directory_name


def _json(content: bytes) -> bytes:
    """Keys stay in their order; numbers keep every digit."""
    try:
        values = read_yaml(content, VALUES)
        return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as exc:
        raise Invalid(f"{VALUES} holds a value that JSON cannot express") from exc
