"""S3, and other object storages that speak its protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, SecretStr, model_validator

from taskengine.storage import Storage
from taskengine.storage.cache import FetchCache
from taskengine.storage.settings import Endpoint, PlaceName, RootedSettings

LARGEST_COPY = 5 << 30  # bytes that S3 copies at once


class S3Settings(RootedSettings):
    """A bucket. Keys that are not given are looked for where AWS tools look: variables such as
    AWS_ACCESS_KEY_ID, the container, a web identity, the machine."""

    label: ClassVar[str] = "S3"

    bucket: PlaceName | None = Field(None, description="the bucket; unset: no S3")
    endpoint: Endpoint | None = Field(
        None, description="URL of the server; unset: AWS in that region"
    )
    region: str = Field("us-east-1", min_length=1, description="the region of the bucket")
    access_key_id: str | None = Field(None, min_length=1, description="who the engine is there")
    secret_access_key: SecretStr | None = Field(None, min_length=1, description="its secret")
    session_token: SecretStr | None = Field(None, description="with keys that expire")
    virtual_hosted: bool = Field(
        False, description="the bucket is part of the endpoint's host name, not of the path"
    )
    conditional_writes: bool = Field(
        True, description="the server knows If-Match and If-None-Match; AWS does"
    )
    ca_file: Path | None = Field(None, description="PEM certificates to trust besides")

    @model_validator(mode="after")
    def _whole(self) -> S3Settings:
        if self.bucket is None and self.model_fields_set:
            raise ValueError("expected a bucket beside the other settings")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("expected both access_key_id and secret_access_key, or none of them")
        return self

    @property
    def is_configured(self) -> bool:
        return self.bucket is not None

    def open(self, data: Path, cache: FetchCache | None = None) -> Storage:
        from obstore.store import S3Store  # which takes time and memory, where there is no S3

        from taskengine.storage.object_stores.objects import ObjectStorage, client_options

        def store(retries: Any) -> S3Store:
            return S3Store(
                self.bucket,
                config=self._config(),
                client_options=client_options(self.endpoint, self.ca_file),
                retry_config=retries,
            )

        return ObjectStorage(
            self.label,
            store,
            self.all_roots(),
            cache=cache,
            conditional=self.conditional_writes,
            largest_copy=LARGEST_COPY,
        )

    def _config(self) -> Any:
        token, secret = self.session_token, self.secret_access_key
        config = {
            "region": self.region,
            "endpoint": self.endpoint,
            "access_key_id": self.access_key_id,
            "secret_access_key": secret.get_secret_value() if secret else None,
            "session_token": token.get_secret_value() if token else None,
        }
        given = {name: value for name, value in config.items() if value is not None}
        return {**given, "virtual_hosted_style_request": self.virtual_hosted}
