"""For tests of what is made for the engine: actions, workflows, stores.

fake_context  a context for one action, and what the action told it
instance      a whole engine on a store in memory and virtual time: hours pass in milliseconds
contract      what a store promises, as a class of tests to inherit from

`docs/testing.md` shows each. It is installed with the engine, which does not use it; the contract
needs pytest and pytest-trio.
"""

from taskengine.store.memory import MemoryStore
from taskengine.testing.actions import Journal, fake_context
from taskengine.testing.times import NOON
from taskengine.testing.virtual import (
    Instance,
    actions_with,
    instance,
    receiver,
    submission,
    workflow,
)

__all__ = [
    "NOON",
    "Instance",
    "Journal",
    "MemoryStore",
    "actions_with",
    "fake_context",
    "instance",
    "receiver",
    "submission",
    "workflow",
]
