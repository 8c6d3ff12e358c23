"""A job of a workflow file whose tasks are run one after another, by hand."""

import json
from pathlib import Path

from taskengine.actions import find_actions
from taskengine.jobs.storages import prepare_for
from taskengine.model import Severity
from taskengine.storage.local import LocalStorage
from taskengine.testing.actions import fake_context
from taskengine.workflows.library import read
from taskengine.workflows.scope import scope
from taskengine.workflows.templates import evaluate
from taskengine.workflows.workflow import callback_extras
from tests.media.schema import check_mpd

FOLDER = Path(__file__).parents[2] / "config/workflows/common"
ACTIONS = find_actions()
CLIENT = {"storage": "local"}
STORAGES = ("local", "S3", "azure_blob")


def workflow(name):
    return read(FOLDER / f"{name}.yaml", ACTIONS)


class WorkflowJob:
    """`defaults` are parameters, `context` is what all contexts of its tasks are given."""

    def __init__(self, workflow, tmp_path, defaults=(), **context):
        self.workflow, self.tmp_path, self.context = workflow, tmp_path, context
        self.defaults = dict(defaults)
        self.results, self.lines, self.values = {}, [], {}

    async def __call__(self, **more):
        self.begin(**more)
        return await self.run()

    def begin(self, **more):
        self.prepare({**self.defaults, **more})

    def prepare(self, submitted):
        known = {"client": CLIENT, "job": {}}
        self.values = prepare_for(STORAGES, self.workflow.parameters, submitted, known).values

    async def run(self):
        """All tasks; what the job's callback has besides. Each MPD that is published is valid."""
        for name in self.workflow.names:
            await self.task(name)
        for file in map(Path, self.results.get("publish", {}).get("files", ())):
            if ".mpd" in file.suffixes and file.exists():  # not on another storage
                check_mpd(file)
        return callback_extras(self.workflow.callback, self.scope)[0]

    @property
    def scope(self):
        return scope(self.values, self.results, {}, CLIENT, self.workflow.names)

    async def task(self, name, attempt=1, refusal=None, storages=None):
        template = self.workflow.task(name)
        if not template.wanted(self.scope):
            return
        number = self.workflow.names.index(name)
        given = {"task": name, "number": number, "attempt": attempt, **self.context}
        context, journal = fake_context(self.tmp_path, storages, **given)
        journal.refusal = refusal
        try:
            arguments = evaluate(template.with_, self.scope)
            result = await ACTIONS[template.action](context, arguments)
            self.results[name] = json.loads(json.dumps(result))
        finally:
            self.lines += journal.lines

    def warned(self):
        return [text for severity, text in self.lines if severity >= Severity.WARN]


class Labelled(LocalStorage):
    """Another storage."""

    label = "S3"


class Flaky(LocalStorage):
    """Fails so often before a file can be fetched."""

    def __init__(self, roots, failures):
        super().__init__(roots)
        self.failures = failures

    async def fetch(self, key, target):
        if self.failures:
            self.failures -= 1
            raise OSError("flaky")
        await super().fetch(key, target)
