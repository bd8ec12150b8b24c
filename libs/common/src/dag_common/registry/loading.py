"""Documents to a registry: entries are read, references between them are checked, what is broken is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilesystemPath
from typing import Any, Final

import msgspec

from dag_common.errors import Invalid
from dag_common.registry.apps import App
from dag_common.registry.document import Document, Path, parse, shown
from dag_common.registry.entry import NAME, Entry
from dag_common.registry.ground import Ground
from dag_common.registry.names import ENVIRONMENTS, Reference, references
from dag_common.registry.problems import Problem, did_you_mean
from dag_common.registry.reading import Reader
from dag_common.registry.registry import Registry
from dag_common.registry.schema import SECTIONS, plain

_NOUNS: Final = {"providers": "provider", "iac": "IaC repository", "clusters": "cluster"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the registry: its name for people, its bytes, and where its relative paths count from."""

    name: str
    content: bytes
    directory: FilesystemPath


def load(files: Sequence[SourceFile]) -> Registry:
    """The registry of these files, with every problem found in them.

    Files may refer to each other's entries. Of two entries with one name, or two apps with one repository, the
    first stays (files in the order given). An app with a problem is left out, and so is one that uses an entry with
    a problem.
    """
    loading = _Loading()
    for file in files:
        parsed = parse(file.name, file.content)
        if isinstance(parsed, Problem):
            loading.problems.append(parsed)
        else:
            loading.documents.append(Reader(parsed, file.directory))
    for reader in loading.documents:
        loading.read_top_level(reader)
    for reader in loading.documents:
        loading.read_apps(reader)
    return loading.registry()


@dataclass(slots=True)
class _Loading:
    documents: list[Reader] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    named: dict[str, dict[str, Any]] = field(default_factory=lambda: {section: {} for section in _NOUNS})
    places: dict[tuple[Any, ...], tuple[str, Path]] = field(default_factory=dict)
    ground: Ground = field(default_factory=Ground)
    apps: dict[str, App] = field(default_factory=dict)

    def read_top_level(self, reader: Reader) -> None:
        reader.problems.extend(reader.document.problems)
        for key in reader.document.data:
            if key not in SECTIONS:
                reader.note((key,), f"no such section{did_you_mean(key, SECTIONS)}", fatal=True)
        for section in _NOUNS:
            value = reader.document.data.get(section)
            if value is None:
                continue
            if not isinstance(value, dict):
                reader.note((section,), f"expected a mapping from a {_NOUNS[section]}'s name to its entry", fatal=True)
                continue
            for name, entry in value.items():
                self._read_named(reader, section, name, entry)

    def _read_named(self, reader: Reader, section: str, name: str, value: Any) -> None:
        path = (section, name)
        if not self._claim(reader, _NOUNS[section], name, path):
            return
        known = len(reader.problems)
        if not NAME.fullmatch(name):
            reader.note(path, "expected a name of letters, digits, dots, dashes and underscores, at most 64")
        entry = reader.entry(SECTIONS[section], value, path)
        whole = len(reader.problems) == known and not _broken_yaml(reader.document, path)
        self.named[section][name] = entry if whole else None

    def read_apps(self, reader: Reader) -> None:
        value = reader.document.data.get("apps")
        if value is None:
            return
        if not isinstance(value, list):
            reader.note(("apps",), "expected a list of apps", fatal=True)
            return
        for index, entry in enumerate(value):
            self._read_app(reader, entry, ("apps", index))

    def _read_app(self, reader: Reader, value: Any, path: Path) -> None:
        known = len(reader.problems)
        app: App | None = reader.entry(App, value, path)
        for reference in references(value, path):
            self._check(reader, reference)
        if app is None or not self._claim(reader, "app", app.name, path):
            return
        url = self._url(reader, app, path)
        if len(reader.problems) > known or _broken_yaml(reader.document, path):
            return
        for index, words in self.ground.claim(app):
            reader.note((*path, "environments", index, "iac", "path"), words)
        if len(reader.problems) == known:
            self.apps[url] = app

    def _url(self, reader: Reader, app: App, path: Path) -> str:
        try:
            url = app.url
        except Invalid as exc:
            reader.note((*path, "repoUrl"), exc.message)
            return ""
        self._claim(reader, "app with the repository", url, (*path, "repoUrl"))
        return url

    def _check(self, reader: Reader, reference: Reference) -> None:
        if reference.section == ENVIRONMENTS:
            self._claim(
                reader, "environment", f"{reference.name} of this app", reference.path, within=reference.path[:2]
            )
            return
        known, noun, name = self.named[reference.section], _NOUNS[reference.section], reference.name
        if name not in known:
            hint = did_you_mean(name, known)
            reader.note(reference.path, f'no {noun} is named "{name}" under {reference.section}{hint}')
        elif known[name] is None:
            reader.note(reference.path, f'the {noun} "{name}" has problems of its own')

    def _claim(self, reader: Reader, noun: str, name: str, path: Path, *, within: Path = ()) -> bool:
        """Whether the name is still free; notes where it stands already."""
        place = (reader.document.file, path)
        first = self.places.setdefault((noun, name, *((place[0], within) if within else ())), place)
        if first == place:
            return True
        line = next(each.document.line(first[1]) for each in self.documents if each.document.file == first[0])
        reader.note(path, f"the {noun} {name} stands at {first[0]}:{line} already")
        return False

    def registry(self) -> Registry:
        whole = {section: {n: e for n, e in known.items() if e is not None} for section, known in self.named.items()}
        apps = tuple(sorted(self.apps.values(), key=lambda app: app.name))
        problems = [*self.problems, *(problem for reader in self.documents for problem in reader.problems)]
        return Registry(
            providers=whole["providers"],
            iac_repositories=whole["iac"],
            clusters=whole["clusters"],
            apps=apps,
            problems=tuple(sorted(problems, key=lambda problem: (problem.file, problem.line))),
            digest=_digest([*whole.values(), apps]),
            apps_by_url=dict(self.apps),
        )


def _broken_yaml(document: Document, path: Path) -> bool:
    """Whether a key stands twice inside the entry: which of the two was meant is not for us to guess."""
    within = (f"{shown(path)}.", f"{shown(path)}[")
    return any(problem.path.startswith(within) for problem in document.problems)


def _digest(content: Iterable[dict[str, Entry] | tuple[App, ...]]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(content), enc_hook=plain, order="sorted")).hexdigest()
