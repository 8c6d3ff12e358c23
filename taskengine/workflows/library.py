"""Workflow files, read and checked: every problem at once, each with its file and line."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as File

from taskengine.model import TaskEngineError
from taskengine.workflows.checks import ActionLike, all_problems
from taskengine.workflows.workflow import Workflow
from taskengine.workflows.yaml_reader import YamlReader

logger = logging.getLogger(__name__)

NO_FOLDER = (
    "no such folder, but the option workflows names it: --workflows, TASKENGINE_WORKFLOWS or the "
    "configuration file"
)
LAYOUT = "common/*.yaml or clients/<client>/*.yaml"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    file: File
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class WorkflowErrors(TaskEngineError):
    """Workflow files cannot be used as they are."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Library:
    """All workflows by client and name; those of client None are common."""

    workflows: Mapping[tuple[str | None, str], Workflow] = field(default_factory=dict)

    def find(self, client: str, name: str) -> Workflow | None:
        """The client's own workflow of that name, else the common one; else the same in any case
        of letters."""
        for owner in (client, None):
            if found := self.workflows.get((owner, name)):
                return found
        for owner in (client, None):
            for (whose, known), workflow in self.workflows.items():
                if whose == owner and known.lower() == name.lower():
                    return workflow
        return None

    def names(self, client: str) -> list[str]:
        """What the client can submit."""
        return sorted({name for owner, name in self.workflows if owner in (client, None)})

    def all(self) -> tuple[Workflow, ...]:
        return tuple(sorted(self.workflows.values(), key=lambda w: (w.client or "", w.name)))

    @property
    def digest(self) -> str:
        """Of what all workflows say: the same wherever the same jobs would be made."""
        said = [[one.client, one.name, one.definition.digest] for one in self.all()]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def load(folders: Sequence[File], actions: Mapping[str, ActionLike]) -> Library:
    """Read folders laid out like config/workflows; later ones win. Raises WorkflowErrors."""
    workflows: dict[tuple[str | None, str], Workflow] = {}
    problems = [Problem(folder, 1, NO_FOLDER) for folder in folders if not folder.is_dir()]
    for folder in folders:
        sources: dict[tuple[str | None, str], File] = {}
        for client, file in workflow_files(folder):
            try:
                workflow = read(file, actions, client)
            except WorkflowErrors as errors:
                problems += errors.problems
                continue
            key = client, workflow.name
            if key in sources:
                problems.append(_again(file, workflow.name, sources[key]))
            sources[key] = file
            workflows[key] = workflow
    if problems:
        raise WorkflowErrors(problems)
    return Library(workflows)


def workflow_files(folder: File) -> Iterator[tuple[str | None, File]]:
    """The files of a folder, each with the client whose it is; None: everybody's."""
    for owner in [folder / "common", *sorted(folder.glob("clients/*/"))]:
        for file in sorted(owner.glob("[!.]*")):
            if file.suffix in (".yaml", ".yml"):
                yield (None if owner == folder / "common" else owner.name), file


def stray_files(folder: File) -> Iterator[Problem]:
    """Workflow files that stand where nobody looks; a folder without any that is read."""
    found = {file for _, file in workflow_files(folder)}
    for depth in ("*", "*/*", "*/*/*"):
        for file in sorted(folder.glob(depth)):
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            if file.suffix in (".yaml", ".yml") and file not in found and not hidden:
                yield Problem(file, 1, f"not read: expected in {LAYOUT}")
    if not found:
        yield Problem(folder, 1, f"holds neither {LAYOUT.replace(' or ', ' nor ')}")


def _again(file: File, name: str, other: File) -> Problem:
    reader = YamlReader()
    reader.content(file)
    return Problem(file, reader.line(("workflow",)), f"{name} is also in {other}")


def read(file: File, actions: Mapping[str, ActionLike], client: str | None = None) -> Workflow:
    """One workflow file. Raises WorkflowErrors with all that is wrong in it."""
    reader = YamlReader()
    content = reader.content(file)
    try:
        found = reader.problems or list(all_problems(content, actions))
    except RecursionError:
        found = [((), "it is nested too deeply")]
    if found:
        raise WorkflowErrors(Problem(file, reader.line(path), text) for path, text in found)
    return Workflow.from_content({**content, "client": client})


@dataclass(slots=True)
class CurrentLibrary:
    """The workflows in force. Raises WorkflowErrors where it is made of files that are wrong; a
    reload of such files leaves the workflows as they were."""

    folders: Sequence[File]
    actions: Mapping[str, ActionLike]
    current: Library = field(init=False)

    def __post_init__(self) -> None:
        self.current = load(self.folders, self.actions)
        self._tell_strays()

    def _tell_strays(self) -> None:
        """A file in the wrong place is no workflow, and nothing else would say so."""
        for folder in self.folders:
            for stray in stray_files(folder):
                logger.warning("workflow files: %s", stray)

    def reload(self) -> None:
        try:
            self.current = load(self.folders, self.actions)
            logger.info("workflow files reloaded: %d", len(self.current.all()))
            self._tell_strays()
        except (WorkflowErrors, OSError) as errors:
            logger.error("workflow files kept as they were: %s", errors)
