"""Films that are encoded in segments, by real encoders, in attempts that end in the middle."""

from functools import partial
from itertools import count
from math import inf

import pytest
import trio

from taskengine.actions import segmented
from taskengine.media.sample import numbers_of
from taskengine.media.tables import read_track
from taskengine.media.tools import Bench
from taskengine.model import FenceMoved, PermanentFailure
from taskengine.runtime.process import run_process
from taskengine.testing.actions import Journal
from tests.actions.jobs import WorkflowJob, workflow
from tests.support.films import HEIGHT, PICTURES, SECONDS, SEGMENT, SEGMENTS, long_film

WORKFLOW = workflow("vodstream")
TASKS = ("encode_1", "encode_2", "encode_3", "encode_4")
RUNGS = (HEIGHT, 240)
DEFAULTS = {
    "content_id": "c",
    "source_folder": "in",
    "output_folder": "out",
    "encode_source": True,
    "encoding_segment": SEGMENT,
}


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    return long_film(tmp_path_factory.mktemp("long"))


@pytest.fixture
def encodes(monkeypatch):
    """The segments that are encoded, by number, in order."""
    found = []
    encode = segmented.encode_segment

    async def counting(bench, film, segment, on_progress):
        found.append(segment.number)
        return await encode(bench, film, segment, on_progress)

    monkeypatch.setattr(segmented, "encode_segment", counting)
    return found


class Job(WorkflowJob):
    def __init__(self, tmp_path, film):
        super().__init__(WORKFLOW, tmp_path, DEFAULTS)
        self.source = tmp_path / "input/in"
        self.source.mkdir(parents=True)
        (self.source / "film.mp4").write_bytes(film.read_bytes())

    @property
    def staged(self):
        """The videos that were made, the best first."""
        tracks = [t for t in self.results["inspect_source"]["tracks"] if t["type"] == "video"]
        return [self.tmp_path / "workspace/7" / t["folder"] / t["file"] for t in tracks]

    def streams(self):
        """What is in them."""
        return [read_track(path, 0)[1] for path in self.staged]


@pytest.fixture
def job(tmp_path, film):
    return Job(tmp_path, film)


@pytest.fixture
async def whole(tmp_path, film):
    """The same film, encoded in one piece."""
    (folder := tmp_path / "whole").mkdir()
    job = Job(folder, film)
    job.begin(encoding_segment=SECONDS)
    await job.task("get_filenames")
    await job.task("inspect_source")
    return job


async def test_segments_together_are_what_one_run_makes(job, whole, encodes):
    job.begin()
    await job.task("get_filenames")
    await job.task("encode_1")
    await job.task("inspect_source")
    assert encodes == list(range(SEGMENTS))
    bench = Bench(partial(run_process, cwd=job.tmp_path), job.tmp_path)
    for path, mine, its, lines in zip(
        job.staged, job.streams(), whole.streams(), RUNGS, strict=True
    ):
        assert await numbers_of(bench, path, lines) == list(range(PICTURES))
        assert sorted(mine.shown) == sorted(its.shown)
        assert [t for t, key in zip(mine.shown, mine.keys, strict=True) if key] == [
            t for t, key in zip(its.shown, its.keys, strict=True) if key
        ]
    sound = [t for t in job.results["inspect_source"]["tracks"] if t["type"] == "audio"]
    assert [t["start"] for t in sound if "start" in t] == []  # at 0, as the pictures
    assert len(sound) == 2


@pytest.mark.parametrize("accepted", [2, 2 * 4 + 1])
async def test_an_attempt_goes_on_where_the_one_before_was_lost(
    job, encodes, accepted, monkeypatch
):
    """The files and the record of each segment pass the fence, and so does its claim."""
    job.begin()
    await job.task("get_filenames")
    passed = count(1)

    async def confirm(journal):
        if next(passed) > accepted:
            raise FenceMoved

    with monkeypatch.context() as lost, pytest.raises(FenceMoved):
        lost.setattr(Journal, "confirm", confirm)
        await job.task("encode_1")
    kept = len(list((job.tmp_path / "workspace/7").glob("segments-*/*.json")))
    lost = encodes[kept:]  # with the record, or before it
    assert len(lost) <= 1
    await job.task("encode_1", attempt=2)
    assert sorted(encodes) == sorted([*range(SEGMENTS), *lost])
    await job.task("inspect_source")
    assert sorted(encodes) == sorted([*range(SEGMENTS), *lost])
    assert [len(one) for one in job.streams()] == [PICTURES] * len(RUNGS)


async def test_tasks_side_by_side_encode_each_segment_once(job, encodes, monkeypatch):
    monkeypatch.setattr("taskengine.actions.encoding.PLACES", len(TASKS))
    monkeypatch.setattr(segmented, "ENCODERS", trio.CapacityLimiter(len(TASKS)))
    job.begin()
    await job.task("get_filenames")
    async with trio.open_nursery() as nursery:
        for name in TASKS:
            nursery.start_soon(job.task, name)
    assert sorted(encodes) == list(range(SEGMENTS))
    assert sum(job.results[name]["encoded"] for name in TASKS) == SEGMENTS
    first = {name: dict(job.results[name]) for name in TASKS}
    await job.task("inspect_source")
    assert sorted(encodes) == list(range(SEGMENTS)), first


async def test_tasks_that_find_no_processor_leave_the_film_to_the_others(job, encodes, monkeypatch):
    monkeypatch.setattr("taskengine.actions.encoding.PLACES", 0)
    job.begin()
    await job.task("get_filenames")
    for name in TASKS:
        await job.task(name)
    assert (encodes, [job.results[name]["encoded"] for name in TASKS]) == ([], [0, 0, 0, 0])
    await job.task("inspect_source")
    assert encodes == list(range(SEGMENTS))


async def test_segments_of_another_film_are_not_taken(job, encodes):
    """A client puts a better one in its place, and has the job tried again."""
    job.begin()
    await job.task("get_filenames")
    await job.task("encode_1")
    path = job.source / "film.mp4"
    path.rename(path.with_suffix(".old"))
    bench = Bench(partial(run_process, cwd=job.source), job.source)
    cut = ("-i", "film.old", "-t", str(SECONDS - SEGMENT), "-map", "0", "-c", "copy", "film.mp4")
    await bench.run([bench.tools.ffmpeg, "-v", "error", *cut])
    await job.task("inspect_source", attempt=2)
    assert encodes == [*range(SEGMENTS), *range(SEGMENTS - 1)]
    pictures = len(read_track(path, 0)[1])
    assert pictures < PICTURES
    assert [len(one) for one in job.streams()] == [pictures] * len(RUNGS)


async def test_progress_counts_all_segments_of_the_film(job, monkeypatch):
    told = []

    async def report(journal, fraction):
        told.append(fraction)

    monkeypatch.setattr(Journal, "report", report)
    job.begin()
    await job.task("get_filenames")
    await job.task("encode_1")
    rounded = [round(fraction, 9) for fraction in told]
    assert rounded == sorted(rounded)
    assert told[-1] == pytest.approx(1)
    assert len({int(fraction * SEGMENTS) for fraction in told}) >= SEGMENTS


async def test_a_damaged_film_is_refused_by_its_name(job):
    path = job.source / "film.mp4"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(data)
    job.begin()
    await job.task("get_filenames")
    with pytest.raises(PermanentFailure, match=r"^film\.mp4 cannot be converted: "):
        await job.task("encode_1")


@pytest.mark.parametrize("value", [0, 1, 3601, "many", inf])
def test_the_length_of_a_segment_has_bounds(job, value):
    with pytest.raises(Exception, match=r"parameters\.encoding_segment: expected"):
        job.begin(encoding_segment=value)
