"""What a judge asks to be shown."""

from __future__ import annotations

from dataclasses import dataclass

from dag_monitor.domain.expectation import Ref


@dataclass(frozen=True, slots=True)
class Releases:
    """The versions of a Helm release that may hold our chart, the newest among them.

    They come as `Secret`s without data. One that Helm is done with has what its payload says in `release` (see
    `helm_payload`), or, while that is not known, in `trouble` why: empty as long as it is only being read.
    """

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Since:
    """An object as it is now or was at any time after a state was seen that `state` names, but never before.

    Watches of different kinds run side by side: without this, an object may still look as it did before a write
    that came before one already seen.
    """

    ref: Ref
    state: str


Concern = Ref | Releases | Since
