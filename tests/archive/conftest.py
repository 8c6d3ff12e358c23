"""A stream that is made once."""

import pytest

from tests.capture.live import make_stream

SECONDS = 16


@pytest.fixture(scope="session")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    return folder, make_stream(folder, SECONDS)
