"""A stream that is made once, and a job that captures it."""

import pytest

from tests.actions.captures import SECONDS, CaptureJob
from tests.capture.live import make_stream


@pytest.fixture(scope="session")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    return folder, make_stream(folder, SECONDS)


@pytest.fixture
def job(tmp_path, stream):
    return CaptureJob(tmp_path, *stream)
