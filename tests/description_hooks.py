"""What Schemathesis is taught: what a chart is, and to write down how each operation was answered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NOT_SET

CHART = Path(os.environ["DESCRIPTION_CHART"]).read_bytes()
ANSWERS = Path(os.environ["DESCRIPTION_ANSWERS"])

schemathesis.openapi.format("binary", st.one_of(st.just(CHART), st.just(CHART), st.binary(max_size=64)))


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """One line an answer: the operation and its status. Methods that are tried besides count for none."""
    if case.method.upper() == case.operation.method.upper():
        planned = " (dry run)" if b'"dryRun":true' in response.content else ""
        with ANSWERS.open("a", encoding="utf-8") as answers:
            answers.write(f"{case.operation.label}{planned} {response.status_code}\n")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Who sends a job's body asks as that job: an operator's token beside it would count instead."""
    if case.path.endswith("/cancel") and case.body is not NOT_SET:
        case.headers.pop("Authorization", None)
