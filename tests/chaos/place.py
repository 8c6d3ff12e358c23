"""Where a run keeps its things, and what all parts of it agree on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.effects import FILE
from tests.support.engines import SERVE, environment

ROOT = Path(__file__).parent.parent.parent
KEY = "a-key-for-chaos-0123456789"
ADMIN, CLIENTS = "chaos", ("red", "green")  # who submits; the admin does too
DRAIN = 4  # seconds
# Of an instance: one that is left alone has room for two tasks of each job that has a slot, so that
# recovery is measured, not the queue for a worker.
WORKERS = 48

PLUGIN = {
    "METADATA": "Metadata-Version: 2.1\nName: chaos-actions\nVersion: 1\n",
    "entry_points.txt": "[taskengine.actions]\nchaos = tests.chaos.effects\n",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Slots of a level, told to the engine and to the auditor alike."""

    max_jobs: int
    slots: int = 0
    threshold: int = 10

    @property
    def settings(self) -> dict[str, int]:
        return {
            "max_jobs": self.max_jobs,
            "priority_slots": self.slots,
            "priority_threshold": self.threshold,
        }


# By scope: '' is the system. The admin is bounded by the system's alone.
LIMITS = {"": Limits(24, 6, 5), "red": Limits(8, 3, 4), "green": Limits(10)}
RETRY_DELAY, GATE_INTERVAL = 1, 2  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a run."""

    folder: Path
    lease: float  # seconds

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def settle(self) -> None:
        """Make the folder, with the chaos actions in it as an installed package."""
        plugin = self.folder / "plugin" / "chaos_actions-1.dist-info"
        plugin.mkdir(parents=True)
        for name, text in PLUGIN.items():
            (plugin / name).write_text(text)
        self.effects.touch()

    def environment(
        self, database_url: str, redis_url: str, port: int, tree: Path
    ) -> dict[str, str]:
        """Of an instance of the program below `tree`."""
        settings = {
            "database_url": database_url,
            "redis_url": redis_url,
            "data_dir": self.folder / "data",
            "bind": f"127.0.0.1:{port}",
            "workflows": Path(__file__).parent / "workflows",
            "storage_default": "local",
            "queues": f"work={WORKERS},windows_capture=0,callback=2",
            "lease": self.lease,
            "drain": DRAIN,
            "requests_per_second": 0,
        }
        paths = [
            str(tree),
            str(ROOT),
            str(self.folder / "plugin"),
            os.environ.get("PYTHONPATH", ""),
        ]
        told = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), FILE: str(self.effects)}
        return environment(**settings) | told

    @property
    def command(self) -> list[str]:
        return SERVE
