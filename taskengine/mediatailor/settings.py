"""The configuration of MediaTailor; apart from the service, since every command reads it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class MediaTailorSettings(BaseModel):
    """The account and region in which channels are made; without keys there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str = Field(
        default="us-east-1", min_length=1, description="of AWS, where channels are made"
    )
    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="the service's URL; unset: that of the region",
    )
    access_key_id: str | None = Field(default=None, min_length=1, description="of an AWS account")
    secret_access_key: SecretStr | None = Field(
        default=None, min_length=8, description="that belongs to it"
    )
    session_token: SecretStr | None = Field(
        default=None, min_length=8, description="with keys that expire"
    )

    @property
    def url(self) -> str:
        return (self.endpoint or f"https://api.mediatailor.{self.region}.amazonaws.com").rstrip("/")
