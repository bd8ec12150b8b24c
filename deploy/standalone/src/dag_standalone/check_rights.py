"""Whether DAG has its rights in a cluster: the cluster is asked, or, where it does not say, the lists are tried."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from dag_common.errors import DagError, Refused
from dag_monitor.cluster.failures import FORBIDDEN
from dag_monitor.cluster.resources import Query
from dag_monitor.cluster.rights import Purpose, Right, Rights
from dag_monitor.domain.wording import lacking
from dag_standalone.check_asking import Asking, together
from dag_standalone.check_findings import Finding

_NAMED: Final = 4
_OTHERWISE: Final = {
    Purpose.WATCH: "; until then its rollouts end by their timeouts",
    Purpose.KICK: ", or say kick: false in the registry; until then rollouts begin at the reconciler's next interval",
    Purpose.EXPLAIN: " (of logs: or say logs: false); until then messages of failed rollouts say less",
}


class _Answer(Enum):
    GRANTED = "granted"
    MISSING = "missing"
    UNTOLD = "untold"


class RightsCheck:
    """Asks one cluster. `by_trying`: it has no access reviews, so only what a harmless list shows is known."""

    def __init__(self, asking: Asking, subject: str) -> None:
        self.by_trying = False
        self._asking = asking
        self._subject = subject

    async def rows(self, rights: Rights) -> list[Finding]:
        """A row for each thing that rights are needed for."""
        groups = {purpose: [right for right in rights if rights[right] is purpose] for purpose in Purpose}
        return await together(self._row(purpose, wanted) for purpose, wanted in groups.items() if wanted)

    async def _row(self, purpose: Purpose, wanted: list[Right]) -> Finding:
        question = f"rights to {purpose}"
        try:
            answers = await together(self._ask(right) for right in wanted)
        except DagError as exc:
            return Finding(self._subject, question, exc.message, "check again when the cluster answers")
        given = dict(zip(wanted, answers, strict=True))
        missing = [str(right) for right in wanted if given[right] is _Answer.MISSING]
        if not missing:
            return Finding(self._subject, question, _all_there(given))
        grant = f"grant it: dag rbac {self._asking.cluster} prints the manifests{_OTHERWISE[purpose]}"
        return Finding(self._subject, question, lacking(_shortened(missing)), grant)

    async def _ask(self, right: Right) -> _Answer:
        if self.by_trying:
            return await self._try(right)
        return _Answer.GRANTED if await self._asking.may(right) else _Answer.MISSING

    async def _try(self, right: Right) -> _Answer:
        if right.verb != "list":
            return _Answer.UNTOLD
        try:
            await self._asking.sample(Query(right.resource, right.namespace, metadata_only=True), 1)
        except Refused as exc:
            if exc.reason == FORBIDDEN:
                return _Answer.MISSING
            raise
        return _Answer.GRANTED


def _all_there(answers: Mapping[Right, _Answer]) -> str:
    untold = sum(answer is _Answer.UNTOLD for answer in answers.values())
    there = (
        f"all {len(answers)} are granted" if not untold else f"{len(answers) - untold} of {len(answers)} are granted"
    )
    return there if not untold else f"{there}; the others cannot be tried, and the cluster has no access reviews"


def _shortened(missing: list[str]) -> tuple[str, ...]:
    more = len(missing) - _NAMED
    return (*missing[:_NAMED], f"{more} more") if more > 1 else tuple(missing)
