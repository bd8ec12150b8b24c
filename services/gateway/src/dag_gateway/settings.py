"""What the gateway reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass

from dag_common.registry.references import FilePath, Secret
from dag_common.runtime.service import ServiceSettings
from dag_common.runtime.settings import variable, whole

MIB = 1024 * 1024


def references(text: str) -> tuple[Secret, ...]:
    """Secrets by reference, separated by commas: `env:NAME` or `file:PATH`."""
    return tuple(_reference(part.strip()) for part in text.split(",") if part.strip())


def _reference(text: str) -> Secret:
    kind, _, place = text.partition(":")
    if kind == "env" and place:
        return Secret(env=place)
    if kind == "file" and place:
        return Secret(file=FilePath(place))
    raise ValueError("expected references such as env:NAME or file:PATH, separated by commas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """One frozen value, read once, in `__main__`."""

    http_host: str = variable("DAG_HTTP_HOST", "where the API is served", default="127.0.0.1")
    http_port: int = variable("DAG_HTTP_PORT", "port of the API", default=8080, parse=whole)
    operator_tokens: tuple[Secret, ...] = variable(
        "DAG_OPERATOR_TOKENS",
        "tokens that may list and cancel deployments: env:NAME or file:PATH, separated by commas",
        default=(),
        parse=references,
    )
    auditor_tokens: tuple[Secret, ...] = variable(
        "DAG_AUDITOR_TOKENS",
        "tokens that may list deployments and do nothing: env:NAME or file:PATH, separated by commas",
        default=(),
        parse=references,
    )
    max_chart_mib: int = variable("DAG_MAX_CHART_MIB", "largest chart archive, in MiB", default=10, parse=whole)

    @property
    def max_chart_bytes(self) -> int:
        """The largest chart archive, in bytes."""
        return self.max_chart_mib * MIB
