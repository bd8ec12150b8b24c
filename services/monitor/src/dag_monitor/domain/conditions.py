"""Status conditions, as Kubernetes objects carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dag_monitor.domain import fields


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `status` is True, False or Unknown, as a word; empty if the object has no such condition."""

    status: str = ""
    reason: str = ""
    message: str = ""
    since: datetime | None = None

    @property
    def true(self) -> bool:
        """Whether the object says yes."""
        return self.status == "True"

    @property
    def false(self) -> bool:
        """Whether the object says no, which is more than not saying yes."""
        return self.status == "False"

    @property
    def present(self) -> bool:
        """Whether the object has this condition at all."""
        return bool(self.status)


_ABSENT: Final = Condition()


@dataclass(frozen=True, slots=True)
class Conditions:
    """An object's conditions by type; one that is absent reads as neither true nor false."""

    by_type: Mapping[str, Condition]

    def __getitem__(self, type_: str) -> Condition:
        return self.by_type.get(type_, _ABSENT)


def conditions_of(obj: Any) -> Conditions:
    """The conditions in an object's status."""
    listed = fields.items(obj, "status", "conditions")
    return Conditions({fields.text(one, "type"): _condition(one) for one in listed})


def _condition(one: Any) -> Condition:
    return Condition(
        status=fields.text(one, "status"),
        reason=fields.text(one, "reason"),
        message=fields.text(one, "message"),
        since=fields.instant(one, "lastTransitionTime"),
    )
