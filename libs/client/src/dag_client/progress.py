"""What is known of a deployment while it runs, folded from its stream; views draw it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dag_client.gateway import Update

STAGES = ("pending", "validating", "pushing", "pushed", "monitoring", "deployed")


@dataclass(frozen=True, slots=True)
class Step:
    """A status that was reached: when (seconds of a monotonic clock) and what was said last."""

    status: str
    since: float
    message: str


@dataclass(frozen=True, slots=True)
class Target:
    """One place the rollout goes to, and what it said last."""

    name: str
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps taken so far, the commit, and the rollout's targets by name."""

    started: float
    steps: tuple[Step, ...] = ()
    commit: str = ""
    commit_url: str = ""
    targets: dict[str, Target] = field(default_factory=dict)

    @property
    def now(self) -> Step | None:
        """The latest step."""
        return self.steps[-1] if self.steps else None

    def after(self, update: Update, at: float) -> Progress:
        """The progress after one more update; itself if the update says nothing new."""
        if update.type == "status":
            return self._stepped(str(update.data.get("status", "")), str(update.data.get("message", "")), at)
        if update.type == "commit":
            sha, url = str(update.data.get("sha", "")), str(update.data.get("url", ""))
            return self if sha == self.commit else replace(self, commit=sha, commit_url=url)
        if update.type == "target":
            return self._reached(_target(update))
        return self

    def _stepped(self, status: str, message: str, at: float) -> Progress:
        last = self.now
        if last and (last.status, last.message) == (status, message):
            return self
        if last and last.status == status:
            return replace(self, steps=(*self.steps[:-1], replace(last, message=message)))
        return replace(self, steps=(*self.steps, Step(status, at, message)))

    def _reached(self, target: Target) -> Progress:
        if self.targets.get(target.name) == target:
            return self
        return replace(self, targets={**self.targets, target.name: target})


def _target(update: Update) -> Target:
    parts = [str(update.data.get(part, "")) for part in ("cluster", "kind", "namespace", "name")]
    status, message = str(update.data.get("status", "")), str(update.data.get("message", ""))
    return Target("/".join(part for part in parts if part), status, message)
