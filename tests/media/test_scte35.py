"""Messages of SCTE 35: read, made, and moved in time."""

from fractions import Fraction

import pytest

from taskengine.capture.sources.mpd_xml import read_xml
from taskengine.media.scte35 import (
    crc32,
    read_message,
    read_text,
    section_of,
    splice_insert,
)
from taskengine.media.scte35_xml import message_of

# Samples of ANSI/SCTE 35, chapter 14.
INSERT = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo="
OPPORTUNITY = "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg=="
OVER = "/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g="
PROGRAMME = "/DBIAAAAAAAA///wBQb+ek2ItgAyAhdDVUVJSAAAGH+fCAgAAAAALMvDRBEAAAIXQ1VFSUgAABl/nwgIAAAAACyk26AQAACZcuND"  # noqa: E501


def played(message):
    """When it says that it counts, seconds."""
    return message.time


def test_a_message_has_no_more_than_a_section_takes():
    assert len(section_of(6, b"\x7f", bytes(4000))) < 4096
    with pytest.raises(ValueError, match="a message of 70"):
        section_of(6, b"\x7f", bytes(70_000))


@pytest.mark.parametrize(
    ("text", "event", "is_out", "pts", "duration"),
    [
        (INSERT, 0x4800008F, True, 0x07369C02E, 60.293567),
        (OPPORTUNITY, 0x4800008E, True, 0x072BD0050, 307),
        (OVER, 0x4800008E, False, 0x0746290A0, None),
        (PROGRAMME, 0x48000018, None, 0x07A4D88B6, None),
    ],
)
def test_the_samples_of_the_standard_are_read(text, event, is_out, pts, duration):
    said = read_text(text)
    assert (said.event_id, said.is_out, said.pts) == (event, is_out, pts)
    assert said.duration == (None if duration is None else pytest.approx(duration))


def test_a_text_is_hexadecimal_or_base64():
    section = read_text(INSERT).section
    for text in (f"0x{section.hex()}", f"0X{section.hex().upper()}", section.hex().upper(),
                 INSERT.rstrip("="), f'"{INSERT}"', f" {INSERT} "):  # fmt: skip
        assert read_text(text).section == section


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no splice_info_section"),
        ("0xZZ", "hexadecimal"),
        ("/DA*", "base64"),
        ("0xFC", "no splice_info_section"),
        (INSERT[:40], "says that it has"),
        (INSERT.replace("c2nA", "c2nB"), "checksum"),
        ("A" * 10_000, "characters"),
        (f"0x{section_of(5, b'12').hex()}", "is cut"),
    ],
)
def test_what_is_no_message_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        read_text(text)


@pytest.mark.parametrize("size", range(20, 49))
def test_no_section_is_read_beyond_its_end(size):
    """One that was cut, and given a length and a checksum that are right."""
    whole = read_text(OPPORTUNITY).section
    body = whole[:1] + (0x3000 | size - 3).to_bytes(2, "big") + whole[3 : size - 4]
    with pytest.raises(ValueError, match="cut"):
        read_message(body + crc32(body))


@pytest.mark.parametrize("text", [INSERT, OPPORTUNITY])
def test_a_message_is_moved_without_anything_else_being_changed(text):
    said = read_text(text)
    moved = read_message(said.moved(Fraction("12.48"), Fraction(10)))
    assert played(moved) == Fraction("12.48")
    assert (moved.duration, moved.event_id, moved.is_out) == (10, said.event_id, True)
    kept = read_message(said.moved(Fraction(1)))
    assert kept.duration == said.duration
    back = read_message(moved.moved(played(said), said.duration))
    assert back.section == said.section


def test_messages_of_the_engine_can_be_read():
    out = read_message(splice_insert(7, Fraction("10.4"), Fraction("4.52"), is_out=True))
    assert (out.event_id, out.is_out, out.duration) == (7, True, Fraction("4.52"))
    assert played(out) == Fraction("10.4")
    back = read_message(splice_insert(7, None, is_out=False))
    assert (back.is_out, back.pts, back.duration) == (False, None, None)


def test_splice_null_says_nothing():
    assert read_message(section_of(0, b"")).says_nothing
    assert not read_text(PROGRAMME).says_nothing


def test_messages_in_xml_are_those_in_binary():
    insert = read_xml("""<Event xmlns:s="http://www.scte.org/schemas/35"><s:SpliceInfoSection
      protocolVersion="0" ptsAdjustment="90000" tier="4095"><s:SpliceInsert spliceEventId="9"
      spliceEventCancelIndicator="false" outOfNetworkIndicator="true" spliceImmediateFlag="false">
      <s:Program><s:SpliceTime ptsTime="900000"/></s:Program><s:BreakDuration autoReturn="1"
      duration="2700000"/></s:SpliceInsert></s:SpliceInfoSection></Event>""")
    said = message_of(insert)
    assert (said.event_id, said.is_out, said.duration) == (9, True, 30)
    assert played(said) == 11
    signal = read_xml("""<Event><SpliceInfoSection><TimeSignal><SpliceTime ptsTime="90000"/>
      </TimeSignal><SegmentationDescriptor segmentationEventId="5" segmentationTypeId="52"
      segmentationDuration="900000" segmentNum="1" segmentsExpected="1"><SegmentationUpid
      segmentationUpidType="9" segmentationUpidFormat="hexbinary">5349474E</SegmentationUpid>
      </SegmentationDescriptor></SpliceInfoSection></Event>""")
    said = message_of(signal)
    assert (said.event_id, said.is_out, said.duration) == (5, True, 10)
    assert b"SIGN" in said.section
    binary = read_xml(f"<Event><Signal><Binary>\n{INSERT}\n</Binary></Signal></Event>")
    assert message_of(binary).section == read_text(INSERT).section


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<Event><Other/></Event>", "neither"),
        ("<Event><Signal><Binary>=</Binary></Signal></Event>", "no splice_info"),
        (
            "<Event><SpliceInfoSection><SpliceInsert spliceEventId='x'/></SpliceInfoSection>"
            "</Event>",
            "spliceEventId: expected a whole number",
        ),
    ],
)
def test_xml_that_is_no_message_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        message_of(read_xml(text))
