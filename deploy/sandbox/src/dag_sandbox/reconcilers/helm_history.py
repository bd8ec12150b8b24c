"""What Helm's storage would hold, as `status.history` shows it: entries newest first. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

Entry = dict[str, Any]
History = list[Entry]


def deployed(history: History) -> Entry | None:
    """The newest good release: what runs, and where a rollback would go."""
    return next((entry for entry in history if entry["status"] in ("deployed", "superseded")), None)


def released(history: History, entry: Entry) -> History:
    """After a release that succeeded: what ran is superseded."""
    return truncated([_sealed(entry | {"status": "deployed"}), *_superseded(history)])


def failed(history: History, entry: Entry) -> History:
    """After a release that failed: what ran keeps running."""
    return truncated([_sealed(entry | {"status": "failed"}), *history])


def rolled_back(history: History, *, now: str) -> History:
    """After a rollback: the newest good release once more, with a number of its own. There must be one."""
    target = deployed(history)
    if target is None:
        raise LookupError("there is no release to roll back to")
    again = target | {"version": next_number(history), "status": "deployed", "action": "rollback", "lastDeployed": now}
    return truncated([_sealed(again), *_superseded(history)])


def uninstalled(history: History) -> History:
    """After the removal of a failed first install."""
    return [history[0] | {"status": "uninstalled"}, *history[1:]] if history else []


def next_number(history: History) -> int:
    """The revision that Helm gives the next release."""
    return max((entry["version"] for entry in history), default=0) + 1


def truncated(history: History) -> History:
    """Cut after the first good predecessor of the newest entry (fluxcd/helm-controller api/v2/snapshot_types.go)."""
    for place, entry in enumerate(history[1:], start=1):
        if entry["status"] in ("deployed", "superseded"):
            return history[: place + 1]
    return history[:5]


def _superseded(history: History) -> History:
    return [entry | {"status": "superseded"} if entry["status"] == "deployed" else entry for entry in history]


def _sealed(entry: Entry) -> Entry:
    told = "\n".join(f"{key}={entry[key]}" for key in sorted(entry) if key != "digest")
    return entry | {"digest": f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"}
