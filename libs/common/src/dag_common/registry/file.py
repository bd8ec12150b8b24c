"""The registry on disk, read again when it changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from dag_common.errors import Invalid
from dag_common.registry.loading import SourceFile, load
from dag_common.registry.registry import Registry

_SUFFIXES = frozenset({".yaml", ".yml"})
_log = structlog.get_logger()


def read_registry(path: Path) -> Registry:
    """The registry as it lies there now, with its problems. Raises `Invalid` if no file can be read. Blocks."""
    return _loaded(path, _read(path))


class RegistryFile:
    """`dag.yaml`, or a directory of such files, and the registry it last held.

    Content is compared, not times, so a swapped symlink (how Kubernetes updates a ConfigMap) and an edit within one
    second are both seen. What is refused is logged once for each content.
    """

    def __init__(self, path: Path, *, settle_seconds: float = 0.2) -> None:
        self._path = path
        self._settle_seconds = settle_seconds
        self._seen = ""
        self._registry: Registry | None = None

    def current(self) -> Registry:
        """The registry in effect; `start` was called before."""
        if self._registry is None:
            raise RuntimeError("RegistryFile.start was not called")
        return self._registry

    async def start(self) -> Registry:
        """Read it for the first time. Entries with problems are left out and logged.

        Raises `Invalid` listing every problem if no file of it can be read.
        """
        content = await asyncio.to_thread(_read, self._path)
        registry = await asyncio.to_thread(_loaded, self._path, content)
        self._accept(registry, _fingerprint(content))
        return registry

    async def refresh(self) -> bool:
        """Look once whether it changed; True if another registry is in effect now.

        A change counts when it is the same at two looks, so a half-written file is not taken. A change that leaves any
        file unreadable is refused as a whole: the registry stays as it was.
        """
        content = await self._settled()
        if content is None:
            return False
        self._seen = _fingerprint(content)
        registry = await asyncio.to_thread(load, content)
        fatal = [problem for problem in registry.problems if problem.fatal]
        if fatal or not content:
            _log.error("registry_refused", path=str(self._path), problems=[str(problem) for problem in fatal])
            return False
        self._accept(registry, self._seen)
        return True

    async def watch(self, *, poll_seconds: float = 2.0) -> None:
        """Refresh for ever; ends only by cancellation."""
        while True:
            await asyncio.sleep(poll_seconds)
            try:
                await self.refresh()
            except Invalid as exc:
                _log.exception("registry_unreadable", path=str(self._path), reason=exc.message)

    async def _settled(self) -> Sequence[SourceFile] | None:
        content = await asyncio.to_thread(_read, self._path)
        while _fingerprint(content) != self._seen:
            await asyncio.sleep(self._settle_seconds)
            again = await asyncio.to_thread(_read, self._path)
            if _fingerprint(again) == _fingerprint(content):
                return content
            content = again
        return None

    def _accept(self, registry: Registry, fingerprint: str) -> None:
        self._registry, self._seen = registry, fingerprint
        for problem in registry.problems:
            _log.error("registry_problem", problem=str(problem))
        _log.info("registry_loaded", path=str(self._path), apps=len(registry.apps), digest=registry.digest)


def _loaded(path: Path, content: Sequence[SourceFile]) -> Registry:
    registry = load(content)
    if not content or sum(problem.fatal for problem in registry.problems) >= len(content):
        listed = "\n".join(map(str, registry.problems)) or f"{path}: no {' or '.join(sorted(_SUFFIXES))} file"
        raise Invalid(f"the registry cannot be read:\n{listed}")
    return registry


def _read(path: Path) -> Sequence[SourceFile]:
    try:
        if not path.is_dir():
            return [SourceFile(path.name, path.read_bytes(), path.parent)]
        files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES and not each.name.startswith("."))
        return [SourceFile(each.name, each.read_bytes(), path) for each in files if each.is_file()]
    except OSError as exc:
        raise Invalid(f"the registry {path} cannot be read: {exc.strerror}") from exc


def _fingerprint(content: Sequence[SourceFile]) -> str:
    digest = hashlib.sha256()
    for file in content:
        digest.update(f"{file.name}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    return digest.hexdigest()
