"""What can go wrong, as one tree; each class says what its *caller* does.

DagError
├── Invalid        the input is wrong: tell whoever sent it (HTTP 400)
├── NotFound       the thing asked for does not exist (HTTP 404)
├── Unproven       the caller's identity is not proven (HTTP 401)
├── TooLarge       the input is over a limit (HTTP 413)
├── Refused        the domain says no: record it, acknowledge, go on
├── Unavailable    somebody cannot be asked now: back off, try again (HTTP 503)
├── Conflict       somebody else was first: load again, decide again
└── Unreadable     stored or received bytes this code cannot read: dead-letter
"""

from __future__ import annotations


class DagError(Exception):
    """The root of every error DAG raises on purpose; the text is written for the person who reads it."""

    @property
    def message(self) -> str:
        """The sentence for people; it never holds a secret."""
        return str(self)


class Invalid(DagError):
    """The input is wrong: show the message to whoever sent it."""

    def __init__(self, message: str, *, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


class NotFound(DagError):
    """The thing asked for does not exist: say so, do not retry."""


class Unproven(DagError):
    """The caller's identity is not proven: let nothing through."""


class TooLarge(DagError):
    """The input is over a limit: the message names the limit."""


class Refused(DagError):
    """The domain says no, for good: record the reason, acknowledge, go on."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unavailable(DagError):
    """A system DAG depends on cannot be asked now: back off and try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(DagError):
    """Somebody else was first: load again and decide again, never repeat the same write."""


class Unreadable(DagError):
    """Stored or received bytes that this code cannot read: set them aside where an operator sees them."""
