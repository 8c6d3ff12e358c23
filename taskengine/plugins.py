"""What installed packages bring along, found by their entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from taskengine.model import TaskEngineError
from taskengine.texts import clean_text, name_of, words_of

T = TypeVar("T")


class BrokenPlugin(TaskEngineError):
    """An installed package offers something that cannot be used; the message names it."""


def plugins(group: str, use: Callable[[object], T]) -> Iterator[T]:
    """What `use` makes of everything that installed packages offer under the name of a group.
    Raises BrokenPlugin for what cannot be imported, or that `use` takes for unfit."""
    for entry in entry_points(group=group):
        yield _used(entry, use)


def _used(entry: EntryPoint, use: Callable[[object], T]) -> T:
    """Importing a package can do anything, and end with anything."""
    try:
        return use(entry.load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        told = clean_text(f"{name_of(error)}: {words_of(error)}".removesuffix(": "))
        raise BrokenPlugin(
            f"the plug-in {entry.name} ({entry.value}) cannot be used: {told}"
        ) from None
