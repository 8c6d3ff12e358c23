"""Workflow watch: tells which workflow files this instance has; warns where peers have others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from taskengine.actors.instance_state import InstanceState
from taskengine.actors.wiring import Wiring
from taskengine.runtime.clock import jittered
from taskengine.store import Store

logger = logging.getLogger(__name__)

INTERVAL = 15.0  # seconds between two looks, jittered
PATIENCE = 2  # looks in which files differ before it is told: hosts are changed one after another


@dataclass(slots=True)
class WorkflowWatch:
    """While files differ, the definition of a job depends on the instance that takes it."""

    store: Store
    state: InstanceState
    digest: Callable[[], str]  # of the workflows in force
    _said: tuple[int, str] | None = field(default=None, init=False)  # as which instance, and what
    _differing: int = field(default=0, init=False)  # looks in a row
    _told: list[str] = field(default_factory=list, init=False)  # of whom there was a warning

    @classmethod
    def of(cls, wiring: Wiring) -> WorkflowWatch | None:
        resources = wiring.resources
        if resources.workflows is None:
            return None
        return cls(resources.patient, wiring.state, resources.workflows)

    async def run(self) -> None:
        while True:
            await self._say()
            await self._look()
            await trio.sleep(jittered(INTERVAL))

    async def _say(self) -> None:
        """Once, and again where the files were read anew or the instance has joined anew."""
        now = (self.state.instance, self.digest())
        if self._said != now:
            await self.store.put_workflows(*now)
            self._said = now

    async def _look(self) -> None:
        own = self.digest()
        seen = await self.store.instances()
        others = sorted(
            one.name for one in seen if not one.dead and one.workflows not in (None, own)
        )
        self._differing = self._differing + 1 if others else 0
        if others and self._differing >= PATIENCE and others != self._told:
            logger.warning(
                "the workflow files of %s are others than those here: which definition a job gets "
                "depends on the instance that takes it",
                ", ".join(others[:10]),
            )
            self._told = others
        elif self._told and not others:
            logger.info("all instances have the same workflow files again")
            self._told = []
