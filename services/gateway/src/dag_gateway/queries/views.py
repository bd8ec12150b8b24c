"""What is told about deployments, as JSON bodies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dag_common.domain.statuses import Status

DeploymentUuid = Annotated[str, Meta(description="A UUIDv7", extra_json_schema={"format": "uuid"})]


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON body that is only ever written; every field is always there."""


class JobView(View, frozen=True):
    """The CI job that asked, and who stood behind it as the provider proved it."""

    id: str
    url: str
    provider: str
    user: str


class ChartView(View, frozen=True):
    """The chart as it was sent: sha256 in hex, size in bytes."""

    name: str
    version: str
    sha256: str
    size: int


class IacView(View, frozen=True):
    """Where the chart goes in which IaC repository."""

    repository: str
    url: str
    branch: str
    path: str


class CommitView(View, frozen=True):
    """The commit that holds the chart. `unchanged`: it was there before. `chartVersion` is the stamped one."""

    sha: str
    url: str
    chart_version: str
    previous_chart_version: str
    unchanged: bool


class TargetView(View, frozen=True):
    """One rollout target. `status` is waiting, progressing, succeeded or failed; `reason` is a code."""

    cluster: str
    kind: str
    namespace: str
    name: str
    status: str
    message: str
    reason: str = ""
    object: str = ""
    revision: str = ""


class FailureView(View, frozen=True):
    """Why a deployment failed: the stage, the reason as a code, and what a person can act on."""

    stage: str
    reason: str
    message: str


class HistoryEntry(View, frozen=True):
    """One event of the deployment: its version in the stream, its position in the log, and what it said."""

    version: int
    position: int
    type: str
    status: Status
    message: str
    recorded_at: datetime


class DeploymentView(View, frozen=True):
    """Everything known about one deployment."""

    id: DeploymentUuid
    status: Status
    message: str
    app: str
    environment: str
    version: str
    repo_url: str
    branch: str
    commit: str
    job: JobView
    chart: ChartView
    iac: IacView
    pushed: CommitView | None
    targets: tuple[TargetView, ...]
    failure: FailureView | None
    requested_at: datetime
    updated_at: datetime
    history: tuple[HistoryEntry, ...]


class DeploymentSummary(View, frozen=True):
    """One line of the list."""

    id: DeploymentUuid
    status: Status
    message: str
    app: str
    environment: str
    version: str
    branch: str
    commit: str
    user: str
    requested_at: datetime
    updated_at: datetime


class DeploymentPage(View, frozen=True):
    """Newest first. `next` is the cursor of the page after this one, null at the end."""

    deployments: tuple[DeploymentSummary, ...]
    next: str | None


class PlannedTarget(View, frozen=True):
    """One thing that would be watched after the push."""

    cluster: str
    kind: str
    namespace: str
    name: str


class PlannedFile(View, frozen=True):
    """One file of the chart's directory that would change, by its path in there.

    `diff` is the unified diff; it is absent for a binary file. `truncated`: the diff is cut, or left out, for its size.
    """

    path: str
    change: Literal["added", "changed", "removed"]
    diff: str | UnsetType = UNSET
    truncated: bool = False


class PlanView(View, frozen=True, kw_only=True):
    """What a deployment would change: nothing of it is recorded.

    `chartVersion` is the one the chart would be stamped with; `chartVersionNote` says on what it depends, if on
    anything. `tip` is the commit that `files` are compared with, null if the repository is empty. What waits to be
    pushed before is not in it. `filesOmitted` counts the changed files that are not listed.
    """

    dry_run: Annotated[bool, Meta(extra_json_schema={"const": True})] = True
    environment: str
    chart_version: str
    chart_version_note: str
    iac: IacView
    tip: str | None
    targets: tuple[PlannedTarget, ...]
    unchanged: bool
    files: tuple[PlannedFile, ...]
    files_omitted: int
