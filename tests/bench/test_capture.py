"""The bench of captures checks what it measures, on a real engine."""

import re

from bench.capture import run as capture
from bench.capture.run import Wanted


async def test_an_archive_and_clips_of_three_encoders_are_exact(tmp_path):
    wanted = Wanted(minutes=0.5, live=0, clips=9, only=("archive", "clips"), lines=144)
    table = await capture.run(tmp_path, wanted, print)
    found = dict(re.findall(r"^\| (.+) \| (.+) \|$", table, re.MULTILINE))
    assert float(found["sound beside pictures at the end"].split()[0]) < 1
    encoded = found["pictures encoded anew for a joint, at most two groups of 50"]
    assert 0 < float(encoded) <= 100
    assert len([name for name in found if name.startswith("9 clips of three encoders")]) == 1
