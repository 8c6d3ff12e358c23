"""Behind nginx and Caddy answers are as documented, too."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.api.test_schemathesis import OPERATIONS, call, operations_at
from tests.support.proxies import caddy, nginx
from tests.support.terminals import free_port

EXAMPLES = 2


@pytest.fixture(scope="module", params=[nginx, caddy])
def operations(served_api, request, tmp_path_factory):
    instances = [urlsplit(served_api).netloc, f"127.0.0.1:{free_port()}"]  # the other one is away
    with request.param(instances, tmp_path_factory.mktemp("proxy")) as url:
        yield operations_at(url)


def test_answers_are_as_documented_behind_a_proxy(operations, api_key):
    headers = {"client": "demo-client", "api-key": api_key}
    with requests.Session() as session:
        for method, path in OPERATIONS.values():
            operation, mode = operations[path][method], GenerationMode.POSITIVE
            # What else an example may lack is no matter of a proxy.
            call(operation, session, headers, mode, EXAMPLES, positive_data_acceptance)
