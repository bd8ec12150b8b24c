"""One deployment before the judge of kind `argocd`: what the Application says, held against what is expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dag_common.contracts.events import Evidence
from dag_monitor.domain.argocd_observation import Application, is_commit
from dag_monitor.domain.argocd_sources import Source, Taken, named
from dag_monitor.domain.expectation import Expectation, Relation
from dag_monitor.domain.places import above, same_address, same_path

_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Case:
    """The answers that verdicts are made of. Argo CD knows commits, no chart versions: all rests on our commit."""

    expected: Expectation
    app: Application

    @property
    def compared(self) -> bool:
        """Whether what runs was compared with a commit that holds our chart."""
        return self.holds_ours(self.app.taken)

    @property
    def revisions(self) -> tuple[str, ...]:
        """What our chart's sources were compared with."""
        return self.counted(self.app.taken)

    @property
    def nameless(self) -> bool:
        """Whether no commit could be compared: Argo CD leaves the branch's name, or nothing, in the commit's place."""
        return self.app.sync == "Unknown" and not any(is_commit(one) for one in self.app.revisions)

    @property
    def attempted(self) -> bool:
        """Whether the last sync was about a commit that holds our chart, and in earnest."""
        return not self.app.operation.rehearsal and self.holds_ours(self.app.operation.taken)

    @property
    def applied(self) -> bool:
        """Whether the last sync succeeded, and was of our chart or from before it: no difference starts no sync."""
        operation = self.app.operation
        if not operation.phase:
            return True
        if operation.rehearsal:
            newest = [one for sync in self.app.history[-1:] for one in sync.taken]
            return self.holds_ours(newest) or self._any_before_ours(newest)
        return operation.succeeded and (self.attempted or self._before_ours)

    @property
    def left_over(self) -> tuple[str, ...]:
        """What the sync of our commit would have had to prune, and was not allowed to; at most ten, and how many more.

        It keeps the Application out of sync, and no further sync of the same commit is begun.
        """
        operation = self.app.operation
        if not (self.attempted and operation.succeeded):
            return ()
        listed, more = operation.unpruned[:_NAMED], len(operation.unpruned) - _NAMED
        return (*listed, f"{more} more") if more > 0 else listed

    @property
    def fresh(self) -> bool:
        """Whether health was looked at after the last sync, and the comparison is about the spec as it is."""
        finished_at, looked_at = self.app.operation.finished_at, self.app.reconciled_at
        after = looked_at is not None and (finished_at is None or looked_at >= finished_at)
        return after and self.app.compared_as_specified

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on."""
        app, revisions = self.app, self.revisions
        ours = (one for one in revisions if self.expected.relation(one).contains_ours)
        revision = next(ours, revisions[0] if revisions else "")
        return Evidence(object=str(app.ref), revision=revision, reason="/".join(filter(None, (app.sync, app.health))))

    def holds_ours(self, taken: Iterable[Taken]) -> bool:
        """Whether our chart was taken from commits that contain ours with our chart still in place.

        All of them, if it is known which; else one will do, as charts of a chart repository may stand beside it.
        """
        listed = tuple(taken)
        ours = [self.expected.relation(one) in (Relation.OURS, Relation.DESCENDANT) for one in self.counted(listed)]
        return any(ours) and (all(ours) or not _of_ours(listed, self.expected))

    def counted(self, taken: Iterable[Taken]) -> tuple[str, ...]:
        """The revisions our chart was taken at, or all of them if no source is known to be in our repository."""
        listed = tuple(taken)
        return named(_of_ours(listed, self.expected) or listed)

    @property
    def _before_ours(self) -> bool:
        operation = self.app.operation
        early = operation.finished_at is not None and operation.finished_at < self.expected.pushed_at
        return early or self._any_before_ours(operation.taken)

    def _any_before_ours(self, taken: Iterable[Taken]) -> bool:
        return any(self.expected.relation(one) is Relation.ANCESTOR for one in self.counted(taken))


def in_repository(app: Application, url: str) -> tuple[Source, ...]:
    """The Application's sources in this repository."""
    return tuple(one for one in app.sources if same_address(one.url, url))


def takes(source: Source, path: str) -> bool:
    """Whether a source may hold our directory: the one above it, as an umbrella chart or a tree of manifests has it."""
    return not source.path or same_path(source.path, path) or above(source.path, path)


def _of_ours(taken: tuple[Taken, ...], expected: Expectation) -> tuple[Taken, ...]:
    """What was taken from our repository, as near to our directory as any of it: that, one above, or no directory.

    A source without a path makes no manifests: it lends its files to the others (argoproj/argo-cd
    docs/user-guide/multiple_sources.md, `ref`).
    """
    known = [(one, one.source) for one in taken if one.source and same_address(one.source.url, expected.url)]
    near = min((_distance(source, expected.path) for _, source in known), default=0)
    return tuple(one for one, source in known if _distance(source, expected.path) == near)


def _distance(source: Source, path: str) -> int:
    if not source.path:
        return 2
    return 0 if same_path(source.path, path) else 1 if takes(source, path) else 3
