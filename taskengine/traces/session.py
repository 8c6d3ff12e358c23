"""How the exporter of traces talks to its receiver: it needs to know no more than a status."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class HeadAlone(HTTPAdapter):
    """Leaves the bodies of answers unread: one may have no end, and would be kept whole."""

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        answer = super().send(request, *args, **{**options, "stream": True})
        answer.close()
        answer.raw = BytesIO()
        return answer


def open_session() -> requests.Session:
    """A session for the exporter, which closes it."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HeadAlone())
    return session
