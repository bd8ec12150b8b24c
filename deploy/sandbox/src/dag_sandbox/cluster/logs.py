"""What containers wrote, as `kubectl logs` reads it (kubernetes/kubernetes pkg/registry/core/pod/strategy.go)."""

from __future__ import annotations

from typing import Any

from dag_common.errors import Invalid
from dag_sandbox.cluster.resources import Object


class PodLogs:
    """The output of each container's present run and of the one before it."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], list[str]] = {}

    def begin(self, pod: Object, container: str, text: str) -> None:
        """A run of a container and all it writes; what the runs before the last one wrote is lost."""
        runs = self._written.setdefault((pod["metadata"]["uid"], container), [])
        self._written[pod["metadata"]["uid"], container] = [*runs[-1:], text]

    def read(self, pod: Object, container: str, *, previous: bool = False, tail: int = 0) -> str:
        """The last `tail` lines (0: all). Raises `Invalid` in the API server's words where there is no log."""
        name, pod_name = self._named(pod, container), pod["metadata"]["name"]
        state = _state(pod, name)
        runs = self._written.get((pod["metadata"]["uid"], name), [])
        if previous and not (state.get("lastState") or {}).get("terminated"):
            raise Invalid(f'previous terminated container "{name}" in pod "{pod_name}" not found')
        if not runs:
            waiting = ((state.get("state") or {}).get("waiting") or {}).get("reason", "ContainerCreating")
            raise Invalid(f'container "{name}" in pod "{pod_name}" is waiting to start: {waiting}')
        running = bool((state.get("state") or {}).get("running"))
        text = runs[-2] if previous and running and len(runs) > 1 else runs[-1]
        lines = text.splitlines(keepends=True)
        return "".join(lines[-tail:] if tail else lines)

    def _named(self, pod: Object, container: str) -> str:
        names = [one["name"] for one in pod["spec"].get("containers", [])]
        if not container and len(names) != 1:
            raise Invalid(
                f"a container name must be specified for pod {pod['metadata']['name']}, choose one of: {names}"
            )
        if container and container not in names:
            raise Invalid(f"container {container} is not valid for pod {pod['metadata']['name']}")
        return container or str(names[0])


def _state(pod: Object, container: str) -> dict[str, Any]:
    listed = (pod.get("status") or {}).get("containerStatuses") or []
    return next((one for one in listed if one["name"] == container), {})
