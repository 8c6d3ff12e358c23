"""A stream that is made once."""

import pytest

from tests.archive.jobs import SECONDS
from tests.capture.live import make_stream


@pytest.fixture(scope="session")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    return folder, make_stream(folder, SECONDS)
