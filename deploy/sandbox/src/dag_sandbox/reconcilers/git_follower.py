"""The tip of one branch, looked at again and again, with the chart that lies in a directory of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dag_sandbox.reconcilers.charts import Built, read_chart
from dag_sandbox.reconcilers.git_tip import Checkout, Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A branch of the IaC repository, with credentials if it needs them."""

    url: str
    branch: str = "main"
    user: str = ""
    password: str = field(default="", repr=False)


class Follower:
    """Reads charts off a branch; what it fetched lies in `directory`."""

    def __init__(self, source: GitSource, directory: Path) -> None:
        self._remote = Remote(source.url, source.branch, source.user, source.password)
        self._checkout = Checkout(directory)
        self._known = ""

    async def tip(self) -> str:
        """The commit at the tip, fetched. Raises `Unavailable`."""
        self._known = await self._checkout.fetch(self._remote, known=self._known)
        return self._known

    async def chart(self, commit: str, path: str) -> Built:
        """The chart in a directory at a commit of the branch. Raises `NotFound`, `Invalid`, `Unavailable`."""
        await self._checkout.fetch_commit(self._remote, commit)
        return await read_chart(self._checkout, commit, path)
