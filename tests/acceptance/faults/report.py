"""What a person reads of a run."""

from __future__ import annotations

from acceptance.faults.run import Outcome


def told(outcome: Outcome) -> str:
    """A few lines: how it ended, what struck how often."""
    ends = ", ".join(f"{count} {end}" for end, count in outcome.ends.most_common())
    struck = ", ".join(f"{name} {count}" for name, count in sorted(outcome.struck.items()))
    return (
        f"  seed {outcome.seed}: {sum(outcome.ends.values())} deployments in {outcome.seconds:.0f} s: {ends}\n"
        f"  {len(outcome.evidence.log)} events, {outcome.restarts} restarts, {outcome.foreign_pushes} foreign pushes\n"
        f"  {len(outcome.struck)} kinds of faults: {struck}"
    )
