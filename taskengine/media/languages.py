"""Codes of languages, as ISO 639 has them, and what people call these languages.

`iso639.tsv` is the code list of the ISO 639-2 Registration Authority: ISO 639-1, ISO 639-2/T and,
where it differs, ISO 639-2/B, with the first English name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from taskengine.model import PermanentFailure

NAMELESS: Final = frozenset({"und", "zxx", "mis", "mul"})  # no language that a viewer could choose
LOCAL: Final = re.compile(r"q[a-t][a-z]")  # reserved for local use
_TAG: Final = re.compile(r"([a-z]{2,3})((?:-[A-Za-z0-9]{1,8})*)")
_SUFFIX: Final = re.compile(r"[_.]([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)\.[^.]+")


@dataclass(frozen=True, slots=True)
class _Language:
    short: str  # ISO 639-1, or empty
    terminology: str  # ISO 639-2/T
    name: str


def normal_language(value: str) -> str:
    """A code of ISO 639 or BCP 47 as tools take it; `und` for what is none."""
    main, dash, rest = value.partition("-")
    found = _TAG.fullmatch(main.lower() + dash + rest)
    if found is None or (len(found[1]) == 2 and found[1] not in _known()):
        return "und"  # the packager refuses unknown ones of two letters
    return found[0]


def checked_language(value: str) -> str:
    """The code for a command line, empty if unknown. Raises PermanentFailure for what is none."""
    if value in ("", "und"):
        return ""
    if normal_language(value) == "und":
        raise PermanentFailure(f"language: expected ISO 639 or BCP 47: {value!r}")
    return normal_language(value)


def language_of(stated: str, file: str, wanted: str | None = None) -> str:
    """The wanted language, else the one the media states, else that of the file's name."""
    for language in (wanted, stated):
        if language and (known := normal_language(language)) != "und":
            return known
    return named_language(file)


def named_language(file: str) -> str:
    """Of `…_<language>.<extension>` or `….<language>.<extension>`, if ISO 639 has the code."""
    suffix = _SUFFIX.search(file)
    code = normal_language(suffix[1]) if suffix else "und"
    main = code.partition("-")[0]
    return code if main in _known() or LOCAL.fullmatch(main) else "und"


def language_name(code: str) -> str:
    """What viewers call a language; empty where that cannot be said."""
    main, _, region = code.partition("-")
    found = _known().get(main)
    if found is None or main in NAMELESS:
        return ""
    return f"{found.name} ({region})" if region else found.name


def packed_language(code: str) -> str:
    """The three letters of ISO 639-2/T that a header of MP4 has room for; `und` where there are
    none."""
    main = code.partition("-")[0].lower()
    found = _known().get(main)
    return found.terminology if found else main if LOCAL.fullmatch(main) else "und"


@cache
def _known() -> dict[str, _Language]:
    table = (files(__package__) / "iso639.tsv").read_text("utf-8")
    found = {}
    for row in table.splitlines():
        short, terminology, bibliographic, name = row.split("\t")
        codes = [code for code in (short, terminology, bibliographic) if code]
        found.update(dict.fromkeys(codes, _Language(short, terminology, name)))
    return found
