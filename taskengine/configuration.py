"""Process configuration: config/taskengine.toml, TASKENGINE_* in the environment, options."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, field_validator

from taskengine import sources
from taskengine.addresses import HostName
from taskengine.alerts import AlertsSettings
from taskengine.api_keys import wrong_key, wrong_name
from taskengine.mediatailor.settings import MediaTailorSettings
from taskengine.model import TASK_QUEUES, Misconfigured
from taskengine.runtime.limits import Limits
from taskengine.server_urls import check_database_url, check_redis_url
from taskengine.storage.local import LocalFolder
from taskengine.storage.settings import StorageSettings
from taskengine.storage_tables import StorageTables
from taskengine.texts import like, listed, read_json
from taskengine.traces import TracesSettings

HOME = Path(__file__).resolve().parent.parent  # of a checkout
PREFIX = "TASKENGINE_"
SECRETS = f"{PREFIX}SECRET_"  # before the name of a secret, in the environment
SHORTEST_SECRET = 8  # characters; a shorter one would mask half a log
QUEUES = (*TASK_QUEUES, "callback")
SECRET = frozenset(
    {"database_url", "redis_url", "bootstrap_client", "secrets", "session_secret"}
)  # their values are not shown
# Variables that are no options of the engine: the file, and what its clients' commands read.
OTHER_VARIABLES = frozenset({"CONFIG", "URL", "CLIENT", "API_KEY"})


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, got true or false")
    return value


Number = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, allow_inf_nan=False)]
Workers = Annotated[int, BeforeValidator(_no_flag), Field(ge=0, le=10_000)]
MiB = Annotated[int, Field(ge=0, le=1 << 40)]  # as bytes what a system's limits can say
Text = Annotated[str, Field(min_length=1)]
Folder = LocalFolder


class Configuration(BaseModel):
    """Each option is also an environment variable (TASKENGINE_…) and an option of `serve`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: Text | None = Field(None, description="PostgreSQL; unset: the embedded one")
    redis_url: Text | None = Field(None, description="unset: the embedded one; `none`: no mirror")
    data_dir: Folder = Field(Path("var"), description="embedded servers, local storage, scratch")
    bind: str = Field("127.0.0.1:8080", description="address and port to listen on")
    workflows: tuple[Folder, ...] = Field(
        (), description="more folders laid out like config/workflows, `:` between them"
    )
    bootstrap_client: str | None = Field(
        None,
        description="name:api-key, made as admin if there is no client yet; not as an "
        "option, which `ps` shows to everybody",
    )
    queues: dict[str, Workers] = Field(
        {"work": 9, "windows_capture": 12, "callback": 2},
        description="how many workers this instance has for each queue; 0: serves none",
    )
    drain: Number = Field(20, description="seconds that SIGTERM leaves to running tasks")
    notice: Number = Field(
        0, description="seconds after SIGTERM that submissions are taken, but /readyz fails"
    )
    # The least: one beat may come as late as a look at the beats (1 s) and its time limit (2 s).
    lease: Number = Field(15, gt=0, description="seconds after which a silent instance is dead")
    outbound_allow: tuple[Text, ...] = Field(
        (),
        description="private networks and hosts that callbacks, gates and sources may reach; "
        "as in 127.0.0.0/8,::1/128 for those of this machine",
    )
    commands: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        {}, description="what process.run may run: a name and the words that it stands for"
    )
    tool_seconds: Number = Field(
        86_400, ge=0, description="that a media tool may run at most; 0: no limit"
    )
    tool_stall: Number = Field(
        600, ge=0, description="seconds in which a media tool may do nothing at all; 0: no limit"
    )
    tool_memory: MiB = Field(8192, description="MiB of a media tool at most; 0: no limit")
    tool_file: MiB = Field(
        0, description="MiB of a file that a media tool writes at most; 0: no limit"
    )
    vmaf_ffmpeg: str = Field("", description="an ffmpeg with libvmaf, for `quality` with `vmaf`")
    secrets: dict[str, str] = Field(
        {}, description="what workflow files name by {{ secrets.NAME }} in place of holding it"
    )
    public_reads: bool = Field(True, description="GET of jobs, logs and dashboard without a key")
    hosts: tuple[HostName, ...] = Field(
        (),
        description="names under which it is read without a key, `*` for any; unset: any, but "
        "from this machine only its own, as in localhost",
    )
    proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="reverse proxies on other hosts, or their networks: X-Forwarded-For of theirs "
        "says who calls",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least severe lines of the process's log"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="of the process's log: lines for people, or an object of JSON a line"
    )
    access_log: bool = Field(False, description="a line in the process's log for each request")
    session_secret: str = Field("", description="signs the pages' sessions; on all instances alike")
    requests_per_second: Number = Field(
        1000, description="of each client or, without a key, each address; 0: no limit"
    )
    connections: int = Field(
        2000, ge=1, description="of clients at once, fewer if `ulimit -n` has no room for them"
    )
    connections_per_address: int = Field(
        500, ge=1, description="of one address, but for loopback, where a reverse proxy is"
    )
    storage: StorageTables = Field(default_factory=StorageTables)
    mediatailor: MediaTailorSettings = Field(default_factory=MediaTailorSettings)
    traces: TracesSettings = Field(default_factory=TracesSettings)
    alerts: AlertsSettings = Field(default_factory=AlertsSettings)

    @field_validator("workflows", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return [part for part in value.split(":") if part] if isinstance(value, str) else value

    @field_validator("outbound_allow", "hosts", "proxies", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return listed(value) if isinstance(value, str) else value

    @field_validator("commands", "secrets", mode="before")
    @classmethod
    def _json(cls, value: object) -> object:
        """In the environment and as an option it is a JSON object."""
        try:
            return read_json(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError('expected a JSON object such as {"sum": ["sha256sum"]}') from None

    @field_validator("secrets")
    @classmethod
    def _secrets(cls, value: dict[str, str]) -> dict[str, str]:
        for name, secret in value.items():
            if not (name.isidentifier() and name.isascii()):
                raise ValueError(f"{name[:40]!r}: expected a name of letters, digits and _")
            if len(secret) < SHORTEST_SECRET:
                raise ValueError(f"{name}: expected {SHORTEST_SECRET} characters or more")
        return value

    @field_validator("queues", mode="before")
    @classmethod
    def _workers(cls, value: object) -> object:
        """`work=9,callback=2` changes the named queues and leaves the others as they are."""
        if isinstance(value, str):
            parts = listed(value)
            if wrong := next((part for part in parts if "=" not in part), None):
                raise ValueError(f"expected NAME=NUMBER, got {wrong!r}")
            value = dict(part.split("=", 1) for part in parts)
        if not isinstance(value, dict):
            return value
        if unknown := set(value) - set(QUEUES):
            wrong = str(min(unknown, key=str))
            raise ValueError(
                f"there is no queue {wrong!r}, expected {', '.join(QUEUES)}{like(wrong, QUEUES)}"
            )
        return {**cls.model_fields["queues"].default, **value}

    @field_validator("bootstrap_client")
    @classmethod
    def _name_and_key(cls, value: str | None) -> str | None:
        if value is None:
            return None
        name, _, key = value.partition(":")
        if not name or not key:
            raise ValueError("expected NAME:KEY")  # not what came: it may be a key
        if problem := wrong_name(name):
            raise ValueError(f"the name: {problem}")
        if problem := wrong_key(key):
            raise ValueError(f"the key: {problem}")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is not None:
            check_database_url(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value not in (None, "none"):
            check_redis_url(value)
        return value

    @field_validator("bind")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"expected ADDRESS:PORT, got {value!r}")
        return value

    @property
    def limits(self) -> Limits:
        """Of media tools and commands."""
        memory, file = self.tool_memory << 20, self.tool_file << 20
        return Limits(self.tool_seconds, self.tool_stall, memory, file)

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    @property
    def default_storage(self) -> str:
        return self.storage.default or ("local" if self.embedded_database else "S3")

    @property
    def storages(self) -> Mapping[str, StorageSettings]:
        """Those that jobs can use, by label."""
        return self.storage.configured

    @property
    def local_roots(self) -> Mapping[str, str]:
        """The folders of the local storage by root key."""
        return self.storage.tables["local"].roots(self.data_dir)

    @property
    def workspace_storage(self) -> StorageSettings:
        """Where workspaces are. Raises Misconfigured."""
        return self.storage.of_workspaces(self.data_dir)

    @property
    def workflow_folders(self) -> tuple[Path, ...]:
        return (builtin_workflows(), *self.workflows)


def config_file() -> Path | None:
    """TASKENGINE_CONFIG, else config/taskengine.toml of the working folder or the checkout."""
    if named := os.environ.get(PREFIX + "CONFIG"):
        if not Path(named).is_file():
            raise Misconfigured(f"TASKENGINE_CONFIG: no such file: {named}")
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
    """Options win over the environment, that over the file. Raises Misconfigured."""
    file = config_file()
    read = [sources.of_file(file, Configuration)] if file else []
    read += [_environment(), _environment_secrets(read), sources.of_options(options, Configuration)]
    return sources.read(Configuration, read, SECRET)


def check_environment() -> None:
    """For commands that read no option: a variable that is misspelt sets nothing. Raises
    Misconfigured."""
    found = _environment()
    known = sources.known_options(Configuration)
    unknown = {path: value for path, value in found.values.items() if path not in known}
    sources.read(Configuration, [found._replace(values=unknown)], SECRET)


def _environment() -> sources.OptionSource:
    variables = {name: os.environ[name] for name in os.environ if not name.startswith(SECRETS)}
    return sources.of_environment(variables, Configuration, PREFIX, OTHER_VARIABLES)


def _environment_secrets(before: Sequence[sources.OptionSource]) -> sources.OptionSource:
    """TASKENGINE_SECRET_NAME is `secrets.NAME`, beside those that a file has."""
    given = [name for name in os.environ if name.startswith(SECRETS) and os.environ[name]]
    values: dict[sources.Path, Any] = {}
    if given:
        found = {name.removeprefix(SECRETS): os.environ[name] for name in given}
        for source in before:
            of_file = source.values.get(("secrets",), {})
            found = {**of_file, **found} if isinstance(of_file, dict) else found
        values["secrets",] = found
    return sources.OptionSource(values, lambda path, below: SECRETS + "_".join(below))
