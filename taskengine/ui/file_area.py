"""Where files of results are on this host, and who may see them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from taskengine.model import BadInput
from taskengine.storage.pinned import Area
from taskengine.storage.roots import is_foreign, roots_on
from taskengine.ui.visit import Visit


@dataclass(frozen=True, slots=True)
class FileArea:
    """Where the files of a client are on this host: below its roots, and in no other's."""

    area: Area
    roots: Sequence[str]
    others: Sequence[str]  # roots of other clients

    def allows(self, path: str) -> bool:
        if not os.path.isabs(path) or ".." in PurePosixPath(path).parts:
            return False
        tops = [root for root in self.roots if Path(path).is_relative_to(root)]
        return any(not is_foreign(root, path, self.others) for root in tops)

    def sizes(self, paths: Sequence[str]) -> list[int | None]:
        return [self._size(path) for path in paths]

    def _size(self, path: str) -> int | None:
        try:
            descriptor = self.open(path)
        except (OSError, BadInput):
            return None
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def open(self, path: str) -> int:
        """The descriptor of a file. Raises BadInput for one elsewhere, OSError for none."""
        if not self.allows(path):
            raise BadInput("the file is not below the folders of the job's client")
        return self.area.open_file(Path(path))


async def area_of(visit: Visit, client: str) -> FileArea:
    """Where the files of a client are; of one that was removed nothing is shown."""
    common = visit.services.configuration.local_roots
    known = {one.name: one.options for one in await visit.services.store.clients()}
    roots = {one: roots_on("local", one, options, common) for one, options in known.items()}
    own = roots.pop(client, {})
    others = [folder for folders in roots.values() for folder in folders.values()]
    whole = Area([Path(root) for root in common.values()])
    area = Area([Path(root) for root in own.values()], whole)  # links lead to nobody else's
    return FileArea(area, [*own.values()], others)
