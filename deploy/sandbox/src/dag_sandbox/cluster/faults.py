"""What goes wrong on demand: faults wait in line and each strikes the first request or stream it fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Action = Literal["respond", "forbid", "slow", "eof", "expire", "error", "reset", "split", "silence"]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """One fault. An empty `verb`, `resource` (plural, or like `pods/log`) or `namespace` fits any; `times` 0 lasts.

    On requests: `respond` answers with `status` (and `retryAfter` seconds), `forbid` as narrow RBAC rules do,
    `slow` waits `seconds` first. RBAC does not touch watches that are open.
    On watches, open ones included: `eof` ends the stream, `expire` sends a 410 ERROR event, `error` an ERROR
    event with `status`, `reset` breaks the connection in the middle of the next line, `split` sends the next
    line in pieces of `bytes`, `silence` sends nothing more and keeps the connection.
    """

    action: Action
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    times: int = 1
    status: int = 500
    message: str = ""
    retry_after: float = 0
    seconds: float = 0
    bytes: int = 7

    def fits(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether it is about such a call; one that is about a namespace fits no call for all of them."""
        wanted = ((self.verb, verb), (self.resource, resource), (self.namespace, namespace))
        return all(mine in ("", theirs) for mine, theirs in wanted)


class Faults:
    """The line of faults of one cluster."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._wakers: set[Callable[[], None]] = set()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        """What has not struck yet, or not often enough."""
        return tuple(self._waiting)

    def add(self, fault: Fault) -> None:
        """Put a fault in line; open watches notice at once."""
        self._waiting.append(fault)
        for wake in tuple(self._wakers):
            wake()

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()

    def take(self, *actions: Action, verb: str, resource: str, namespace: str = "") -> Fault | None:
        """The first fault with one of these actions that fits, used up once; None when nothing strikes."""
        for index, fault in enumerate(self._waiting):
            if fault.action in actions and fault.fits(verb, resource, namespace):
                self._use(index, fault)
                return fault
        return None

    def forbids(self, *, verb: str, resource: str, namespace: str) -> bool:
        """Whether a call would be forbidden; nothing is used up."""
        return any(each.action == "forbid" and each.fits(verb, resource, namespace) for each in self._waiting)

    def follow(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` for every new fault until the returned function is called."""
        self._wakers.add(wake)
        return lambda: self._wakers.discard(wake)

    def _use(self, index: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._waiting[index]
        elif fault.times > 1:
            self._waiting[index] = msgspec.structs.replace(fault, times=fault.times - 1)
