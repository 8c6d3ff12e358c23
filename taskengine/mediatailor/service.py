"""MediaTailor's REST API, by the service model that botocore ships: requests are validated, written
and signed by it (Signature Version 4), and sent by our own client."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import httpx
import trio

from taskengine.mediatailor.settings import MediaTailorSettings
from taskengine.model import PermanentFailure, TaskEngineError
from taskengine.outbound import RequestFailed, exchange

SERVICE: Final = "mediatailor"
TIMEOUT: Final = 30.0  # seconds
LARGEST_ANSWER: Final = 4 << 20  # bytes
# Of 4xx, those that another try may change: too many requests, or two at once.
PASSING: Final = frozenset({408, 409, 425, 429})
MISSING: Final = frozenset({"NotFoundException", "ResourceNotFoundException"})


class NotThere(TaskEngineError):
    """The service knows no resource of that name."""


class Service(Protocol):
    """What channels are made with."""

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Raises NotThere, RequestFailed, PermanentFailure."""


@dataclass(frozen=True, slots=True)
class MediaTailor:
    """The service itself. `http` checks the addresses that it reaches."""

    settings: MediaTailorSettings
    http: httpx.AsyncClient

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One operation of the service model, by its name there."""
        protocol = await trio.to_thread.run_sync(_protocol)
        request = self._signed(protocol, operation, parameters)
        response, body = await exchange(
            self.http, request, told=operation, seconds=TIMEOUT, limit=LARGEST_ANSWER
        )
        return _answer(protocol, operation, response, body)

    def _signed(self, protocol: RestJson, operation: str, parameters: Any) -> httpx.Request:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        written = protocol.write(operation, parameters)
        url = self.settings.url + written["url_path"]
        request = AWSRequest(
            method=written["method"],
            url=url,
            params=written["query_string"],
            headers=written["headers"],
            data=written["body"],
        )
        SigV4Auth(self._credentials(Credentials), SERVICE, self.settings.region).add_auth(request)
        sent = request.prepare()
        return self.http.build_request(
            sent.method, sent.url, headers=dict(sent.headers.items()), content=sent.body
        )

    def _credentials(self, kind: Any) -> Any:
        key, secret, token = (
            self.settings.access_key_id,
            self.settings.secret_access_key,
            self.settings.session_token,
        )
        if key is None or secret is None:
            raise PermanentFailure(
                "MediaTailor is not configured: expected mediatailor.access_key_id and "
                "mediatailor.secret_access_key"
            )
        return kind(key, secret.get_secret_value(), token and token.get_secret_value())


class RestJson:
    """How operations are written and read: `rest-json`, by the service model."""

    def __init__(self) -> None:
        from botocore.loaders import Loader
        from botocore.model import ServiceModel
        from botocore.parsers import create_parser
        from botocore.serialize import create_serializer

        content = Loader().load_service_model(SERVICE, "service-2")
        self.model = ServiceModel(content, SERVICE)
        self._serializer = create_serializer("rest-json", include_validation=True)
        self._parser = create_parser("rest-json")

    def write(self, operation: str, parameters: Any) -> dict[str, Any]:
        """Raises PermanentFailure for parameters that the service would refuse."""
        from botocore.exceptions import ParamValidationError

        try:
            written: dict[str, Any] = self._serializer.serialize_to_request(
                parameters, self.model.operation_model(operation)
            )
        except ParamValidationError as error:
            raise PermanentFailure(f"{operation}: {error}") from None
        return written

    def read(self, operation: str, status: int, headers: Any, body: bytes) -> dict[str, Any]:
        answer = {"status_code": status, "headers": headers, "body": body}
        shape = self.model.operation_model(operation).output_shape
        read: dict[str, Any] = self._parser.parse(answer, shape)
        return read


@cache
def _protocol() -> RestJson:
    return RestJson()


def _answer(
    protocol: RestJson, operation: str, response: httpx.Response, body: bytes
) -> dict[str, Any]:
    status = response.status_code
    try:
        read = protocol.read(operation, status, dict(response.headers), body)
    except ValueError:  # of botocore's parser, too: no JSON, or none of this shape
        raise RequestFailed(
            f"{operation}: status {status}, and no answer that can be read"
        ) from None
    read.pop("ResponseMetadata", None)
    error = read.pop("Error", None)
    if status < 300 and error is None:
        return read
    code, message = (error or {}).get("Code", ""), (error or {}).get("Message", "")
    told = f"{operation}: {code or status}" + (f": {message[:500]}" if message else "")
    if status == 404 or code in MISSING:
        raise NotThere(told)
    if status >= 500 or status in PASSING or "Throttl" in code:
        raise RequestFailed(told)
    raise PermanentFailure(told)
