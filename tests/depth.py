"""How hard properties try: DAG_PROPERTY_DEPTH=20 runs twenty times as many examples, and shrinks what fails."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

DEPTH: Final = int(os.environ.get("DAG_PROPERTY_DEPTH", "1"))


def trying(examples: int) -> settings:
    """Settings of a property that tries this many examples."""
    return settings(max_examples=examples * DEPTH, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def trying_slowly(examples: int) -> settings:
    """For a property whose failing example takes long: shrinking would take longer than a test may."""
    phases = tuple(Phase) if DEPTH > 1 else (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(trying(examples), phases=phases)
