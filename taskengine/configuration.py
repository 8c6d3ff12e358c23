"""Process configuration: config/taskengine.toml, TASKENGINE_* in the environment, options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from taskengine.model import TASK_QUEUES, BadInput

HOME = Path(__file__).resolve().parent.parent  # of a checkout
PREFIX = "TASKENGINE_"
QUEUES = (*TASK_QUEUES, "callback")


class StorageDefaults(BaseModel):
    """Where files are. Unset roots are folders of the data folder."""

    default: str | None = Field(
        default=None, description="S3; `local` while the database is embedded"
    )
    local_input_root: Path | None = Field(default=None, description="<data>/input if unset")
    local_output_root: Path | None = Field(default=None, description="<data>/output if unset")


class Configuration(BaseSettings):
    """Each setting is also an environment variable (TASKENGINE_…) and an option of `serve`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=None, extra="forbid", frozen=True
    )

    database_url: str | None = Field(None, description="PostgreSQL; unset: the embedded one")
    redis_url: str | None = Field(None, description="unset: the embedded one; `none`: no mirror")
    data_dir: Path = Field(Path("var"), description="embedded servers, local storage, scratch")
    bind: str = Field("127.0.0.1:8080", description="address and port to listen on")
    workflows: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="more folders laid out like config/workflows, `:` between them"
    )
    bootstrap_client: str | None = Field(
        None, description="name:api-key, made as admin if there is no client yet"
    )
    queues: Annotated[dict[str, NonNegativeInt], NoDecode] = Field(
        {"work": 9, "windows_capture": 12, "callback": 2},
        description="how many workers this instance has for each queue; 0: serves none",
    )
    drain: float = Field(20, ge=0, description="seconds that SIGTERM leaves to running tasks")
    notice: float = Field(
        0, ge=0, description="seconds after SIGTERM that submissions are taken, but /readyz fails"
    )
    # The least: one beat may come as late as a look at the beats (1 s) and its time limit (2 s).
    lease: float = Field(15, gt=0, description="seconds after which a silent instance is dead")
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1/128"),
        description="private networks and hosts that callbacks, gates and sources may reach",
    )
    commands: dict[str, list[str]] = Field(
        {}, description="what process.run may run: a name and the words that it stands for"
    )
    public_reads: bool = Field(True, description="GET of jobs, logs and dashboard without a key")
    requests_per_second: float = Field(
        1000, ge=0, description="of each client or, without a key, each address; 0: no limit"
    )
    connections: int = Field(
        2000, ge=1, description="of clients at once, fewer if `ulimit -n` has no room for them"
    )
    connections_per_address: int = Field(
        500, ge=1, description="of one address, but for loopback, where a reverse proxy is"
    )
    storage: StorageDefaults = Field(default_factory=StorageDefaults)

    @field_validator("workflows", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return [part for part in value.split(":") if part] if isinstance(value, str) else value

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("queues", mode="before")
    @classmethod
    def _workers(cls, value: object) -> object:
        """`work=9,callback=2` changes the named queues and leaves the others as they are."""
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",") if part.strip()]
            if wrong := next((part for part in parts if "=" not in part), None):
                raise ValueError(f"expected NAME=NUMBER, got {wrong!r}")
            value = dict(part.split("=", 1) for part in parts)
        if not isinstance(value, dict):
            return value
        if unknown := set(value) - set(QUEUES):
            raise ValueError(f"unknown queue {min(unknown)!r}, expected {', '.join(QUEUES)}")
        return {**cls.model_fields["queues"].default, **value}

    @field_validator("bootstrap_client")
    @classmethod
    def _name_and_key(cls, value: str | None) -> str | None:
        if value is not None and not all(value.partition(":")):
            raise ValueError("expected NAME:KEY")  # not what came: it may be a key
        return value

    @field_validator("bind")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"expected ADDRESS:PORT, got {value!r}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = config_file()
        toml = TomlConfigSettingsSource(settings_cls, path) if path else None
        return (init_settings, env_settings, *([toml] if toml else []))

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    @property
    def default_storage(self) -> str:
        return self.storage.default or ("local" if self.embedded_database else "S3")

    @property
    def local_roots(self) -> Mapping[str, Path]:
        """The folders of the local storage by root key."""
        return {
            "input_root": (self.storage.local_input_root or self.data_dir / "input").absolute(),
            "output_root": (self.storage.local_output_root or self.data_dir / "output").absolute(),
        }

    @property
    def workflow_folders(self) -> tuple[Path, ...]:
        return (builtin_workflows(), *self.workflows)


def config_file() -> Path | None:
    """TASKENGINE_CONFIG, else config/taskengine.toml of the working folder or the checkout."""
    if named := os.environ.get(PREFIX + "CONFIG"):
        if not Path(named).is_file():
            raise BadInput(f"TASKENGINE_CONFIG: no such file: {named}")
        return Path(named)
    for folder in (Path.cwd(), HOME):
        if (folder / "config" / "taskengine.toml").is_file():
            return folder / "config" / "taskengine.toml"
    return None


def builtin_workflows() -> Path:
    """The workflows that come with the program, from a checkout or from a wheel."""
    packaged = Path(__file__).parent / "builtin" / "workflows"
    return packaged if packaged.is_dir() else HOME / "config" / "workflows"


def read_configuration(**options: Any) -> Configuration:
    """Options win over the environment, that over the file. Raises BadInput, naming the setting."""
    nested = {
        name: os.environ[f"{PREFIX}STORAGE_{name.upper()}"]
        for name in StorageDefaults.model_fields
        if f"{PREFIX}STORAGE_{name.upper()}" in os.environ
    }
    given = {name: value for name, value in options.items() if value is not None}
    storage = {**nested, **given.pop("storage", {})}
    try:
        read = Configuration(**given)
        if storage:
            merged = StorageDefaults.model_validate({**read.storage.model_dump(), **storage})
            read = read.model_copy(update={"storage": merged})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        told = problem["msg"].removeprefix("Value error, ")
        raise BadInput(f"configuration: {where}: {told}") from None
    return read
