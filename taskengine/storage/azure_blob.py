"""Azure Blob Storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, SecretStr, model_validator

from taskengine.storage import Storage
from taskengine.storage.cache import FetchCache
from taskengine.storage.settings import Endpoint, PlaceName, RootedSettings


class AzureBlobSettings(RootedSettings):
    """A container. A key that is not given is looked for where Azure's tools look: in variables
    such as AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE, then the machine's managed identity."""

    label: ClassVar[str] = "azure_blob"

    account: PlaceName | None = Field(None, description="the storage account")
    container: PlaceName | None = Field(None, description="unset: no Azure Blob Storage")
    account_key: SecretStr | None = Field(None, min_length=1, description="the key of the account")
    sas_token: SecretStr | None = Field(
        None, min_length=1, description="a shared access signature in place of that key"
    )
    endpoint: Endpoint | None = Field(None, description="URL of the account; unset: Azure's own")
    ca_file: Path | None = Field(None, description="PEM certificates to trust besides")

    @model_validator(mode="after")
    def _whole(self) -> AzureBlobSettings:
        if self.model_fields_set and not (self.account and self.container):
            raise ValueError("expected both account and container beside the other settings")
        if self.account_key and self.sas_token:
            raise ValueError("expected account_key or sas_token, not both")
        return self

    @property
    def is_configured(self) -> bool:
        return self.container is not None

    def open(self, data: Path, cache: FetchCache | None = None) -> Storage:
        from obstore.store import AzureStore  # which takes time and memory, where there is none

        from taskengine.storage.object_stores.objects import ObjectStorage, client_options

        def store(retries: Any) -> AzureStore:
            return AzureStore(
                self.container,
                config=self._config(),
                client_options=client_options(self.endpoint, self.ca_file),
                retry_config=retries,
            )

        return ObjectStorage(self.label, store, self.all_roots(), cache=cache)

    def _config(self) -> Any:
        key, token = self.account_key, self.sas_token
        config = {
            "account_name": self.account,
            "account_key": key.get_secret_value() if key else None,
            "sas_key": token.get_secret_value().removeprefix("?") if token else None,
            "endpoint": self.endpoint,
        }
        return {name: value for name, value in config.items() if value is not None}
