"""A stream that is made once, and a job that captures it."""

import pytest

from tests.actions.captures import SECONDS, CaptureJob
from tests.actions.stored_assets import make_films
from tests.capture.live import make_stream


@pytest.fixture(scope="session")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    return folder, make_stream(folder, SECONDS)


@pytest.fixture
def job(tmp_path, stream):
    return CaptureJob(tmp_path, *stream)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A folder with high.mp4 and low.mp4."""
    folder = tmp_path_factory.mktemp("films")
    make_films(folder)
    return folder
