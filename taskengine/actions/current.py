"""The workflows in force, checked with the actions there are; they can be read anew while an engine
runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taskengine.actions import Actions
from taskengine.workflows.library import Library, WorkflowErrors, load

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class CurrentLibrary:
    """The workflows in force. Raises WorkflowErrors where it is made of files that are wrong; a
    reload of such files leaves the workflows as they were."""

    folders: Sequence[Path]
    actions: Actions
    current: Library = field(init=False)

    def __post_init__(self) -> None:
        self.current = load(self.folders, self.actions)

    def reload(self) -> None:
        try:
            self.current = load(self.folders, self.actions)
            logger.info("workflow files reloaded: %d", len(self.current.all()))
        except (WorkflowErrors, OSError) as errors:
            logger.error("workflow files kept as they were: %s", errors)
