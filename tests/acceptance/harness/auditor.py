"""The auditor: collects the evidence after a run and holds it to every invariant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from acceptance.harness import invariants
from acceptance.harness.ci import Order
from acceptance.harness.evidence import Evidence, collect
from acceptance.harness.outside import Outside

from dag_common.store.database import Database

SHOWN = 10


class Auditor:
    """Looks from the outside only: git, what is stored, and what CI was answered and told.

    `copies` is the directory below which services keep their local copies of IaC repositories.
    """

    def __init__(
        self, outside: Outside, database: Database, copies: Path, orders: Callable[[], Sequence[Order]]
    ) -> None:
        self._outside = outside
        self._database = database
        self._copies = copies
        self._orders = orders

    async def check(self) -> Evidence:
        """Fails with every violation found; returns the evidence for whatever else a test wants to know of it."""
        outside = self._outside
        evidence = await collect(outside.landscape, self._orders(), self._database, outside.git, self._copies)
        found = violations(evidence)
        assert not found, "\n".join(found[:SHOWN]) + f"\n({len(found)} violations)"
        return evidence


def violations(evidence: Evidence) -> list[str]:
    """What is wrong, by the invariant that says so."""
    return [f"{check.__name__}: {what}" for check in invariants.ALL for what in check(evidence)]
