"""Which track of one offer is which of another: of two sources, of two periods, of two readings."""

from __future__ import annotations

from collections.abc import Sequence

from taskengine.capture.model import SourceTrack
from taskengine.media.languages import normal_language

THREE_LETTERS = {"dut": "nl", "nld": "nl", "eng": "en", "fre": "fr", "fra": "fr", "ger": "de"}
THREE_LETTERS |= {"deu": "de", "spa": "es", "ita": "it", "por": "pt", "pol": "pl", "swe": "sv"}


def same_language(one: str, other: str) -> bool:
    """`nl` is `nld` is `dut`; the region counts only where both name one."""
    first, second = _parts(one), _parts(other)
    return first[0] == second[0] and (not first[1] or not second[1] or first[1] == second[1])


def nearest(track: SourceTrack, offered: Sequence[SourceTrack]) -> SourceTrack | None:
    """The one that stands for it: of its type and language, then the most alike.

    None where there is none of the type, or for sound and text none of the language.
    """
    found = [one for one in offered if one.type == track.type]
    if track.type != "video":
        found = [one for one in found if same_language(one.language, track.language)] or (
            found if len(found) == 1 and not (found[0].language and track.language) else []
        )
    return min(found, key=lambda one: _distance(track, one), default=None)


def _distance(one: SourceTrack, other: SourceTrack) -> tuple[bool, bool, int, int, bool]:
    return (
        one.kind != other.kind,
        one.role != other.role,
        abs(one.height - other.height) if one.height and other.height else 0,
        abs(one.bitrate - other.bitrate) if one.bitrate and other.bitrate else 0,
        one.name != other.name,
    )


def _parts(language: str) -> tuple[str, str]:
    main, _, rest = normal_language(language or "und").partition("-")
    return THREE_LETTERS.get(main, main), rest.lower()
