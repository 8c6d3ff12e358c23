"""The types of storages, and the table of settings that each has in the configuration.

A type is a subclass of StorageSettings: its label, its settings, and how it is opened. Those of
this package are found by themselves; other packages add theirs by the entry-point group
`taskengine.storages`, which names the class.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from taskengine.plugins import plugins
from taskengine.storage import Storage
from taskengine.storage.cache import FetchCache

GROUP: Final = "taskengine.storages"
RESERVED: Final = ("default", "workspace", "cache")  # settings beside the tables of the types
ROOT_KEYS: Final = ("input_root", "output_root")  # that every storage has


def _not_empty(value: object) -> object:
    if value == "":  # would be the working folder
        raise ValueError("expected a folder, got ''")
    return value


def _key_prefix(value: str) -> str:
    parts = [part for part in value.split("/") if part]
    if "\\" in value or any(part in (".", "..") for part in parts):
        raise ValueError(f"expected a folder such as content/vod, got {value!r}")
    return "/".join(parts)


def _place_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9$][A-Za-z0-9._$-]*", value):
        raise ValueError("expected a name of letters, digits, - . and _")
    return value


def _endpoint(value: str) -> str:
    """Without its value in the message: somebody may have put keys into it."""
    try:
        url = urlsplit(value)
        good = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        good = False
    if not good or url.username is not None or url.query or url.fragment:
        raise ValueError("expected http://HOST or https://HOST, without user, ? and #")
    return value


LocalFolder = Annotated[Path, BeforeValidator(_not_empty)]
KeyPrefix = Annotated[str, AfterValidator(_key_prefix)]
PlaceName = Annotated[str, AfterValidator(_place_name)]  # of a bucket, a container, an account
Endpoint = Annotated[
    str, AfterValidator(_endpoint)
]  # URL of a server; keys are settings of their own


class StorageSettings(BaseModel, ABC):
    """A type of storage: the table `[storage.<label>]`. Secrets are of the type SecretStr, so that
    no message and no log shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: ClassVar[str]  # as jobs, log lines and the configuration name it

    @property
    @abstractmethod
    def is_configured(self) -> bool:
        """Whether jobs can use it here."""

    @abstractmethod
    def roots(self, data: Path) -> Mapping[str, str]:
        """The common folder of each root key; `data` is the data folder of the instance."""

    @abstractmethod
    def workspace(self, data: Path) -> str:
        """The folder of jobs' workspaces, where they are on this storage."""

    @abstractmethod
    def open(self, data: Path, cache: FetchCache | None = None) -> Storage:
        """The storage, which leads nobody out of its roots and its workspace. The cache is for what
        has to be fetched over a network."""


class RootedSettings(StorageSettings):
    """Of a storage whose roots are beginnings of keys."""

    input_root: KeyPrefix = Field("input", description="the folder of sources")
    output_root: KeyPrefix = Field("output", description="the folder of results")
    workspace_root: KeyPrefix = Field(
        "workspace", description="the folder of jobs' workspaces, where they are on this storage"
    )

    def roots(self, data: Path) -> Mapping[str, str]:
        return {"input_root": self.input_root, "output_root": self.output_root}

    def workspace(self, data: Path) -> str:
        return self.workspace_root

    def all_roots(self) -> list[str]:
        """What is within reach."""
        return [self.input_root, self.output_root, self.workspace_root]


def secret_values(settings: BaseModel) -> Iterator[str]:
    """What nobody may see of a table of settings."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()


def find_storage_types() -> dict[str, type[StorageSettings]]:
    """All types of storages by label, of this package and of installed packages. Raises
    BrokenPlugin."""
    import taskengine.storage as package

    found: dict[str, type[StorageSettings]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        own = [one for one in vars(module).values() if _is_type(one, module.__name__)]
        found |= {one.label: one for one in own}
    for offered in plugins(GROUP, _type_of):
        found[offered.label] = offered
    return dict(sorted(found.items(), key=lambda one: (one[0] != "local", one[0])))


def _is_type(value: object, module: str) -> bool:
    is_settings = isinstance(value, type) and issubclass(value, StorageSettings)
    return is_settings and value.__module__ == module and "label" in vars(value)


def _type_of(offered: object) -> type[StorageSettings]:
    if not (isinstance(offered, type) and issubclass(offered, StorageSettings)):
        raise TypeError(f"expected a subclass of StorageSettings, got {offered!r:.80}")
    label = getattr(offered, "label", None)
    if not (isinstance(label, str) and label.isidentifier()) or label in RESERVED:
        raise TypeError(f"{offered.__name__}: expected a label of letters, digits and _")
    return offered
