"""What can go wrong with a git host, switched on and off while it serves."""

from __future__ import annotations

import msgspec


class Faults(msgspec.Struct, forbid_unknown_fields=True):
    """The faults in force; all off by default. Counters go down as they strike, so a fault ends by itself."""

    delay_seconds: float = 0.0
    """Every answer waits this long."""
    failures: int = 0
    """The next requests, so many, are answered with `failure_status`."""
    failure_status: int = 503
    cut_before_push: int = 0
    """The next pushes, so many, lose their connection before anything was stored."""
    cut_after_push: int = 0
    """The next pushes, so many, are stored, and their connection is lost before the answer: the outcome is unknown."""
    races: int = 0
    """The next pushes, so many, find that somebody else pushed between their look and their write."""
    reject: str = ""
    """A pre-receive hook refuses every push with these words."""
    stall_answers: bool = False
    """Answers to fetches stop in the middle, until this is switched off."""
    auth_off: bool = False
    """Credentials are not asked for."""

    def strikes(self, counter: str) -> bool:
        """Whether a counted fault strikes now; counts it."""
        left: int = getattr(self, counter)
        if left <= 0:
            return False
        setattr(self, counter, left - 1)
        return True

    def change(self, body: bytes) -> None:
        """Apply a JSON object of some of the fields; raises `msgspec.ValidationError` for others and wrong types."""
        asked = msgspec.json.decode(body)
        merged = msgspec.convert(msgspec.to_builtins(self) | msgspec.convert(asked, dict[str, object]), Faults)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(merged, name))
