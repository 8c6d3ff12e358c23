"""What a run has shown, as Markdown: for the terminal, and as docs/chaos.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.experiment import Findings
from tests.chaos.faults import INSIDE, Fault
from tests.chaos.recovery import longest, middle

LONGEST_ENTRY = 4000  # characters of a log's entry: a traceback says most at its end
HEAD = """\
# Faults, and what was seen

`make chaos` runs three instances on one PostgreSQL and one Valkey, submits jobs of one to four
tasks for three clients with slots of their own, some of them paused, stopped, run again, failing,
scheduled, gated or waiting for others, and all the while kills, stops and restarts what it can
reach. `make chaos ARGS="--minutes 10 --report docs/chaos.md"` writes this page;
`--json FILE` writes the figures, `--seed N` repeats the order of faults. It ends with 0 only if
nothing was lost, doubled, overbooked, stale, missing or out of order.

What is seen does not rest on the engine's word: submissions are counted where they were
acknowledged and callbacks where they arrived, each action leaves traces in a file, and triggers in
the database note every transition with the operating system's process that made it. At the commit
of each admission they count the running jobs against the slots; a line, a result, a progress or an
end of an attempt that is not the current one, or comes from another than its holder, is a stale
write (`tests/chaos/audit.sql`).

Recovery is the time from a kill until the next attempt of each task that the killed process held;
where PostgreSQL was away in between, from its last return, since nobody can be told of a death
meanwhile; where faults had hit all others too, from when one of them was back. The figures are
those after kills of one instance; where PostgreSQL or all instances were away as well, the table of
faults tells. Tasks of jobs that their clients had paused are left out.
"""


def report(findings: Findings) -> str:
    """The whole page."""
    return f"{HEAD.strip()}\n\n{run_of(findings)}"


def run_of(findings: Findings) -> str:
    """What the page says of the run."""
    parts = [_setting(findings), "\n".join(_verdict(findings)), "\n".join(_faults(findings))]
    if wrong := list(_cases(findings)):
        parts.append("\n".join(["## What went wrong", "", *wrong]))
        parts += [f"```\n{entry[-LONGEST_ENTRY:]}\n```" for entry in findings.logged_errors[:5]]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _setting(findings: Findings) -> str:
    options = findings.options
    return (
        f"## The run\n\n{options.minutes:g} minutes of load and faults, lease {options.lease:g} s,"
        f" seed {options.seed}: {findings.jobs} jobs with {findings.tasks} tasks and"
        f" {findings.callbacks} callbacks, by {findings.tries} requests."
    )


def _verdict(findings: Findings) -> Iterator[str]:
    yield "| figure | value |"
    yield "|---|--:|"
    for name, value in findings.figures.items():
        yield f"| {name} | {value} |"
    returns = findings.recoveries.outages
    yield f"| first step after a return of PostgreSQL, p50 | {middle(returns)} s |"
    yield f"| the same, longest | {longest(returns)} s |"


def _faults(findings: Findings) -> Iterator[str]:
    yield "## Each fault"
    yield ""
    yield "| fault | times | what was seen |"
    yield "|---|--:|---|"
    places: dict[str, list[int]] = defaultdict(list)
    for place, fault in enumerate(findings.faults):
        places[fault.name].append(place)
    for name in sorted(places):
        yield f"| {name} | {len(places[name])} | {_seen(findings, places[name])} |"
    for name, number in sorted(findings.receivers.items()):
        yield f"| receiver of callbacks: {name} | {number} | tried again, in order |"


def _seen(findings: Findings, places: list[int]) -> str:
    faults = [findings.faults[place] for place in places]
    steps = [one for place in places if (one := findings.recoveries.steps.get(place)) is not None]
    match faults[0].how:
        case "kill":
            times = findings.recoveries.after(places)
            return f"{len(times)} tasks were held, worked again after {_times(times)}"
        case "pause":
            number = sum(findings.taken_over.get(place, 0) for place in places)
            told = f"{number} of their tasks were taken over by others"
            if faults[0].name == INSIDE:
                told += f", who went on to admit jobs after {_times(steps)}"
            return told
        case "end":
            return f"they drained and ended by themselves after {_times(_lengths(faults))}"
    return f"work went on after {_times(steps)}"


def _times(times: list[float]) -> str:
    return f"{middle(times)} s (p50), {longest(times)} s (longest)" if times else "nothing"


def _lengths(faults: list[Fault]) -> list[float]:
    return [fault.until - fault.since for fault in faults if fault.until is not None]


def _cases(findings: Findings) -> Iterator[str]:
    for name, cases in findings.wrong.items():
        for case in cases[:20]:
            yield f"- {name}: {case}"
        if len(cases) > 20:
            yield f"- {name}: and {len(cases) - 20} more"
    for trouble in findings.troubles[:20]:
        yield f"- {trouble}"
