"""Flags that several commands share, each group declared once and handed to a command as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from dag_client import options as flag
from dag_client.call import Given
from dag_client.overrides import Overrides
from dag_client.packing import left_out, read_chart


@dataclass(frozen=True, slots=True)
class JobFlags:
    """Where the gateway is and as which CI job it is asked."""

    server: flag.Server = ""
    repo: flag.Repo = ""
    job_id: flag.JobId = ""
    job_token: flag.JobToken = field(default="", repr=False)

    def given(self, audience: str = "") -> Given:
        """What these flags said."""
        return Given(**{one.name: getattr(self, one.name) for one in fields(self)}, audience=audience)


@dataclass(frozen=True, slots=True)
class CallFlags(JobFlags):
    """Those, about which environment, and how patiently."""

    environment: flag.Environment = ""
    timeout: flag.Timeout = flag.TIMEOUT


@dataclass(frozen=True, slots=True)
class ChartFlags:
    """What is deployed: as which version, with which values."""

    deploy_version: flag.DeployVersion = ""
    values_file: flag.ValuesFile = None
    set_string: flag.SetString = None
    set_json: flag.SetJson = None
    set_file: flag.SetFile = None
    include_all_files: flag.IncludeAll = False

    def left_out(self, chart: Path) -> list[str]:
        """What lies beside the chart's parts and is not packed."""
        return [] if self.include_all_files else left_out(chart)

    def pack(self, chart: Path) -> bytes:
        """The chart as a .tgz with the overrides in it. Raises `Misused`."""
        overrides = Overrides(self.values_file or (), self.set_string or (), self.set_json or (), self.set_file or ())
        return read_chart(chart, overrides, include_all=self.include_all_files)


@dataclass(frozen=True, slots=True)
class OutputFlags:
    """What is printed, and when the command ends."""

    as_json: flag.Json = False
    no_wait: flag.NoWait = False
    dry_run: flag.DryRun = False


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters of a group's type are that group's flags; typer reads flags from the signature."""
    hints = get_type_hints(command, include_extras=True)
    parameters = [
        flattened
        for name, parameter in inspect.signature(command).parameters.items()
        for flattened in _flattened(parameter.replace(annotation=hints[name]))
    ]
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def called(**given: Any) -> None:
        gathered = {name: _gather(group, given) for name, group in groups.items()}
        command(**given, **gathered)

    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _flattened(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    group = parameter.annotation
    if not is_dataclass(group):
        return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(group)
    ]


def _gather(group: Any, given: dict[str, Any]) -> Any:
    return group(**{one.name: given.pop(one.name) for one in fields(group)})
