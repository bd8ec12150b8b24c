"""The time as the cluster's objects tell it."""

from __future__ import annotations

from dag_common.runtime import clock


def timestamp() -> str:
    """Now, as Kubernetes writes it: UTC, whole seconds."""
    return clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
