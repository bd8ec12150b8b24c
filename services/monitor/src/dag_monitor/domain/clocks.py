"""How far the clocks of the log and of a cluster are trusted to agree."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

CLOCKS_DIFFER: Final = timedelta(seconds=60)
"""What is nearer to a moment of the other clock than this is neither surely before nor surely after it."""
