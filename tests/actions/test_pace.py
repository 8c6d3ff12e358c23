"""Percent, speed and time left, on virtual time."""

import trio

from taskengine.actions.pace import LINE_SECONDS, Pace, by_bytes
from taskengine.testing.actions import fake_context


async def test_a_line_each_half_minute_says_how_fast_a_tool_is(tmp_path, autojump_clock):
    context, journal = fake_context(tmp_path)
    pace = Pace(context, "film.mp4", lasts=600, done=0.5, share=0.5)
    for second in range(1, 101):
        await trio.sleep(1)
        await pace(second / 100)
    lines = [line for _, line in journal.lines]
    assert len(lines) == 100 // LINE_SECONDS
    assert lines[0] == "film.mp4: 30 %, 6.0 times as fast as it plays, about 70 s left"


async def test_what_a_tool_has_written_is_its_progress(tmp_path, monkeypatch):
    monkeypatch.setattr("taskengine.actions.pace.LOOK_SECONDS", 0.001)
    context, _ = fake_context(tmp_path)
    (folder := tmp_path / "made").mkdir()
    told = []

    class Told(Pace):
        async def __call__(self, fraction):
            told.append(fraction)

    async def write():
        for number in range(4):
            (folder / f"{number}.mp4").write_bytes(bytes(25))
            while told[-1:] < [(number + 1) / 4]:
                await trio.sleep(0.001)
        return "made"

    assert await by_bytes(Told(context, "x"), [folder], 100, write) == "made"
    assert told == sorted(told)
    assert {0.25, 0.5, 0.75, 1} <= set(told)
