"""One deployment before the judge of kind `argocd`: what the Application says, held against what is expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dag_common.contracts.events import Evidence
from dag_monitor.domain.argocd_observation import Application, Source, is_commit
from dag_monitor.domain.expectation import Expectation, Relation
from dag_monitor.domain.places import above, same_address, same_path


@dataclass(frozen=True, slots=True)
class Case:
    """The answers that verdicts are made of. Argo CD knows commits, no chart versions: all rests on our commit."""

    expected: Expectation
    app: Application

    @property
    def compared(self) -> bool:
        """Whether what runs was compared with a commit that holds our chart."""
        return self.holds_ours(self.app.revisions)

    @property
    def nameless(self) -> bool:
        """Whether no commit could be compared: Argo CD leaves the branch's name, or nothing, in the commit's place."""
        return self.app.sync == "Unknown" and not any(is_commit(one) for one in self.app.revisions)

    @property
    def attempted(self) -> bool:
        """Whether the last sync was about a commit that holds our chart, and in earnest."""
        return not self.app.operation.rehearsal and self.holds_ours(self.app.operation.revisions)

    @property
    def applied(self) -> bool:
        """Whether the last sync succeeded, and was of our chart or from before it: no difference starts no sync."""
        operation = self.app.operation
        if not operation.phase:
            return True
        if operation.rehearsal:
            newest = [revision for sync in self.app.history[-1:] for _, revision in sync.revisions]
            return self.holds_ours(newest) or self._any_before_ours(newest)
        return operation.succeeded and (self.attempted or self._before_ours)

    @property
    def fresh(self) -> bool:
        """Whether health was looked at after the last sync, and the comparison is about the spec as it is."""
        finished_at, looked_at = self.app.operation.finished_at, self.app.reconciled_at
        after = looked_at is not None and (finished_at is None or looked_at >= finished_at)
        return after and self.app.compared_as_specified

    @property
    def evidence(self) -> Evidence:
        """What the verdict rests on."""
        app = self.app
        ours = (one for one in app.revisions if self.expected.relation(one).contains_ours)
        revision = next(ours, app.revisions[0] if app.revisions else "")
        return Evidence(object=str(app.ref), revision=revision, reason="/".join(filter(None, (app.sync, app.health))))

    def holds_ours(self, revisions: Iterable[str]) -> bool:
        """Whether one of the commits contains ours with our chart still in place."""
        return any(self.expected.relation(one) in (Relation.OURS, Relation.DESCENDANT) for one in revisions)

    @property
    def _before_ours(self) -> bool:
        operation = self.app.operation
        early = operation.finished_at is not None and operation.finished_at < self.expected.pushed_at
        return early or self._any_before_ours(operation.revisions)

    def _any_before_ours(self, revisions: Iterable[str]) -> bool:
        return any(self.expected.relation(one) is Relation.ANCESTOR for one in revisions)


def in_repository(app: Application, url: str) -> tuple[Source, ...]:
    """The Application's sources in this repository."""
    return tuple(one for one in app.sources if same_address(one.url, url))


def takes(source: Source, path: str) -> bool:
    """Whether a source may hold our directory: the one above it, as an umbrella chart or a tree of manifests has it."""
    return not source.path or same_path(source.path, path) or above(source.path, path)
