"""Captions that lie inside pictures, as cues: those of CEA-608 and of CEA-708 together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from taskengine.capture.cea608 import Line21
from taskengine.capture.cea708 import CaptionPackets
from taskengine.capture.cues import Cue
from taskengine.capture.model import Time
from taskengine.media.cc_data import CcData

ALIKE: Final = 0.8  # of the words of a service that another one has as well, if they say the same


def captions(
    data: Iterable[CcData], end: Time, joints: Sequence[Time] = ()
) -> dict[str, list[Cue]]:
    """The cues of `CC1` to `CC4` and `SERVICE1` to `SERVICE6`, those that are used at all. At
    `joints` nothing is seen that came before."""
    decoders = (Line21(), CaptionPackets())
    waiting = sorted(joints)
    for one in data:
        while waiting and waiting[0] <= one.time:
            joint = waiting.pop(0)
            for decoder in decoders:
                decoder.end(joint)
        for decoder in decoders:
            decoder.take(one)
    for decoder in decoders:
        decoder.end(end)
    return decoders[0].cues | decoders[1].cues


def repeated(found: Mapping[str, Sequence[Cue]]) -> set[str]:
    """The services of CEA-708 that say what a channel of CEA-608 says: broadcasters have both of
    one text."""
    older = [_words(cues) for name, cues in found.items() if name.startswith("CC")]
    return {
        name
        for name, cues in found.items()
        if not name.startswith("CC")
        and (own := _words(cues))
        and any((own & other).total() >= ALIKE * own.total() for other in older)
    }


def _words(cues: Sequence[Cue]) -> Counter[str]:
    return Counter(word for cue in cues for word in cue.text.casefold().split())
