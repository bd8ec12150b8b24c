"""Since when the database has answered, again and again, without a pause in which somebody might seem silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

LONGEST_GAP: Final = timedelta(seconds=1.5)
"""Between two answers; longer, and others may have been kept from touching what they have in hand."""

_NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Contact:
    """Both moments are the database's own: also a step of its clock, or of ours standing still, ends a contact."""

    since: datetime
    last: datetime

    @classmethod
    def begun(cls, moment: datetime) -> Self:
        """The database answered for the first time."""
        return cls(since=moment, last=moment)

    def heard(self, moment: datetime) -> Contact:
        """The contact after one more answer."""
        return Contact(self.since, moment) if self._goes_on(moment) else Contact.begun(moment)

    def lasting(self, now: datetime) -> timedelta:
        """How long the database has been in contact without a pause; nothing if it is silent now."""
        return now - self.since if self._goes_on(now) else _NONE

    def _goes_on(self, moment: datetime) -> bool:
        return _NONE <= moment - self.last <= LONGEST_GAP
