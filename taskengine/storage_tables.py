"""The table `[storage]` of the configuration, with one for each type of storage in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from taskengine.model import Misconfigured
from taskengine.storage.settings import StorageSettings, find_storage_types

STORAGES = find_storage_types()  # by label


def storage_label(text: str) -> str:
    """A storage type as it is written, from any case of letters. Raises ValueError."""
    for label in STORAGES:
        if text.lower() == label.lower():
            return label
    raise ValueError(f"expected one of {', '.join(STORAGES)}, got {text[:40]!r}")


class StorageDefaults(BaseModel):
    """Where files are. What else belongs to it is a table for each type of storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: str | None = Field(
        default=None, description="S3; `local` while the database is embedded"
    )
    workspace: str = Field(
        default="local",
        description="the storage of jobs' workspaces and content keys; hosts without a common "
        "disk need one that all reach",
    )

    cache: float = Field(
        default=20,
        ge=0,
        allow_inf_nan=False,
        description="GB of large files that this host keeps of what it fetched from other "
        "storages, so that the tasks of a job fetch a source once; 0: none",
    )

    @field_validator("default", "workspace")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return None if value is None else storage_label(value)

    @property
    def tables(self) -> Mapping[str, StorageSettings]:
        """The settings of each type of storage, configured or not, by label."""
        return {label: getattr(self, label) for label in STORAGES}

    @property
    def configured(self) -> Mapping[str, StorageSettings]:
        """Those that jobs can use."""
        return {label: table for label, table in self.tables.items() if table.is_configured}

    def of_workspaces(self, data: Path) -> StorageSettings:
        """Where workspaces are. Raises Misconfigured if that storage is not configured, or if
        clients would reach them there."""
        found = self.configured.get(self.workspace)
        if found is None:
            raise Misconfigured(
                f"storage.workspace: the storage {self.workspace} is not configured"
            )
        place = PurePosixPath(found.workspace(data))
        if any(place.is_relative_to(root) for root in found.roots(data).values()):
            raise Misconfigured(
                f"storage.{found.label}.workspace_root: expected a folder outside of the roots"
            )
        return found


if TYPE_CHECKING:
    StorageTables = StorageDefaults
else:
    StorageTables = create_model(
        "StorageTables",
        __base__=StorageDefaults,
        **{label: (kind, Field(default_factory=kind)) for label, kind in STORAGES.items()},
    )
