"""The table of both sizes, for a terminal and for the page in docs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.scale.samples import Timing, Timings, out_of_bounds

# A list of the dashboard has 1,000 rows at most, which the small database does not have; and the
# refused jobs of the block, which no list shows unasked, come first in one order: a list reads
# 20,000 of them at most.
ANSWERS = {"GET /dashboard": 3.0, "GET /jobs order_by=workflow asc=0": 10.0}
MEMORY_BOUND, MEMORY_SLACK = 1.2, 8 << 20


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on two databases, the small one first."""

    jobs: Sequence[int]  # of history, and as many that wait
    lanes: Sequence[int]  # that wait for a callback's next try
    memory: Sequence[int]  # resident bytes of the engine
    timings: Timings

    @property
    def offenders(self) -> list[str]:
        """What costs more on the large database than it may."""
        found = [
            f"{name}: {', '.join(grown)}"
            for name, (small, large) in self.timings.items()
            if (grown := out_of_bounds(small, large, ANSWERS.get(name, 1.0)))
        ]
        small, large = self.memory
        return found + (["memory"] if large > MEMORY_BOUND * small + MEMORY_SLACK else [])

    @property
    def table(self) -> str:
        """As Markdown."""
        small, large = self.jobs
        engines = zip(self.jobs, self.lanes, self.memory, strict=True)
        return "\n".join(
            [
                f"| | p50 at {small:,} | p50 at {large:,} | ratio "
                f"| p95 at {small:,} | p95 at {large:,} | ratio |",
                "|---|--:|--:|--:|--:|--:|--:|",
                *(_row(name, *timings) for name, timings in self.timings.items()),
                "",
                "| jobs that are over | jobs that wait | lanes that wait | resident memory |",
                "|--:|--:|--:|--:|",
                *(
                    f"| {jobs:,} | {jobs:,} | {lanes:,} | {memory / (1 << 20):.0f} MiB |"
                    for jobs, lanes, memory in engines
                ),
            ]
        )


def _row(name: str, small: Timing, large: Timing) -> str:
    cells = [name.replace("|", "\\|")]
    for one in ("p50", "p95"):
        before, after = getattr(small, one), getattr(large, one)
        cells += [f"{before:.1f} ms", f"{after:.1f} ms", f"{after / before:.1f}"]
    return f"| {' | '.join(cells)} |"
