"""Where content keys are kept."""

from __future__ import annotations

from typing import Final

from taskengine.actions.context import Context
from taskengine.media.keys import KeyStore

KEYS_ROOT: Final = ".keys"


def key_store(context: Context) -> KeyStore:
    """The store of this installation's content keys."""
    return context.keys
