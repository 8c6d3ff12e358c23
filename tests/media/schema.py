"""MPDs against what ISO/IEC 23009-1 allows: mpd.xsd beside this file."""

from functools import cache
from pathlib import Path

from lxml import etree

SCHEMA = Path(__file__).with_name("mpd.xsd")


@cache
def _schema():
    return etree.XMLSchema(etree.parse(SCHEMA))


def check_mpd(path):
    """Fails with the first of the lines that a standard's reader would not take."""
    valid, found = _schema().validate(etree.parse(path)), _schema().error_log
    assert valid, f"{path.name}: line {found[0].line}: {found[0].message}"
