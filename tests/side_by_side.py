"""Scenarios that mostly wait, at the same time in one test: each in a world of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

Scenario = Callable[..., Awaitable[None]]


async def side_by_side(scenarios: Sequence[Scenario], *arguments: object) -> None:
    """Run all of them to their ends; the message of a failure names those that failed."""
    failures: dict[str, Exception] = {}

    async def run(scenario: Scenario) -> None:
        try:
            await scenario(*arguments)
        except Exception as error:
            failures[scenario.__name__] = error

    async with trio.open_nursery() as nursery:
        for scenario in scenarios:
            nursery.start_soon(run, scenario)
    if failures:
        raise ExceptionGroup(", ".join(failures), list(failures.values()))
