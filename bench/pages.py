"""Pages of the documentation whose figures a measurement writes."""

from __future__ import annotations

import re
from pathlib import Path

MARKS = ("<!-- figures, written by `taskengine bench` -->", "<!-- end of figures -->")


def write(page: Path, text: str) -> None:
    """Put the table where the page has its marks."""
    begin, end = MARKS
    whole = page.read_text("utf-8")
    pattern = re.escape(begin) + ".*" + re.escape(end)
    assert re.search(pattern, whole, re.DOTALL), f"{page} has no place for the figures"
    replaced = f"{begin}\n{text}\n{end}"
    page.write_text(re.sub(pattern, lambda _: replaced, whole, flags=re.DOTALL), "utf-8")
