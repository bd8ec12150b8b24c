"""The chart the demo deploys: `deploy/examples/hello` in the source tree, a copy of it in an installed package."""

from __future__ import annotations

from pathlib import Path

from dag_common.errors import NotFound

NAME = "hello"


def example_chart() -> Path:
    """The chart's folder. Raises `NotFound` if the package was built without it."""
    here = Path(__file__).parent
    for folder in (here / "examples" / NAME, *(parent / "examples" / NAME for parent in here.parents[2:3])):
        if (folder / "Chart.yaml").is_file():
            return folder
    raise NotFound(f"The example chart {NAME} is missing: run from a source tree, or install dag-sandbox whole")
