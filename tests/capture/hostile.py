"""Manifests and bodies that are meant to do harm."""

from __future__ import annotations

import gzip

STATIC = 'type="static" mediaPresentationDuration="PT10S"'


def playlist(*lines: str, over: bool = True) -> str:
    end = ["#EXT-X-ENDLIST"] if over else []
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines, *end])


def many_segments(number: int, over: bool = True) -> str:
    return playlist(*(line for n in range(number) for line in ("#EXTINF:2,", f"{n}.ts")), over=over)


def master(*uris: str) -> str:
    lines = ["#EXTM3U"]
    for number, uri in enumerate(uris, 1):
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={1000 * number},RESOLUTION=320x192", uri]
    return "\n".join(lines)


def mpd(content: str, track: str = "") -> str:
    return (
        f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {STATIC}><Period><AdaptationSet '
        f'contentType="video" mimeType="video/mp4">{content}'
        f"{track or ONE}</AdaptationSet></Period></MPD>"
    )


ONE = '<Representation id="v" bandwidth="1000"/>'
ENDLESS = (
    '<SegmentTemplate media="$Number$.m4s" timescale="1"><SegmentTimeline>'
    '<S t="0" d="1" r="{}"/></SegmentTimeline></SegmentTemplate>'
)

BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><MPD>&i;</MPD>"
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE MPD SYSTEM "file:///etc/passwd"><MPD/>'

MANIFESTS = {  # by what is told about them
    "more than 100000 segments": many_segments(200_000),
    "expected seconds below": playlist("#EXTINF:9999999999,", "1.ts"),
    "multivariant playlist inside another": master("self.m3u8"),
    "more than 1000 renditions": master(*(f"{n}.m3u8" for n in range(10_000))),
    "DTDForbidden": BILLION_LAUGHS,
    "deep": "<MPD>" + "<a>" * 100_000 + "</a>" * 100_000 + "</MPD>",
    "more than 500000 elements": "<MPD>" + "<a/>" * 600_000 + "</MPD>",
    "attributes": "<MPD " + " ".join(f'a{n}=""' for n in range(10_000)) + "/>",
    "has more than 100000 segments": mpd(ENDLESS.format(10**12)),
    "more than 3000 segments in all": mpd(
        ENDLESS.format(900), "".join(f'<Representation id="{n}"/>' for n in range(1000))
    ),
    "an address of it is too long": mpd(
        f'<BaseURL>{"b" * 9000}/</BaseURL><SegmentTemplate media="$Number$.m4s" duration="1"/>'
    ),
    "addresses have more than 1000000 characters": mpd(
        f'<BaseURL>{"b" * 7000}/</BaseURL><SegmentList duration="1">'
        + '<SegmentURL media="x.m4s"/>' * 200
        + "</SegmentList>"
    ),
    "add more than 16777216 characters": playlist(
        f'#EXT-X-DEFINE:NAME="a",VALUE="{"a" * 6000}"',
        *("#EXT-X-CUE-OUT:{$a}" for _ in range(3000)),
    ),
    "more than 100000 chunks": (
        '<SmoothStreamingMedia><StreamIndex Type="text" Url="{start time}"><QualityLevel '
        'Bitrate="1"/><c t="0" d="1" r="1000000000000"/></StreamIndex></SmoothStreamingMedia>'
    ),
    "more than 3000 chunks in all": (
        '<SmoothStreamingMedia><StreamIndex Type="text" Url="{start time}">'
        + '<QualityLevel Bitrate="1"/>' * 1000
        + '<c t="0" d="1" r="900"/></StreamIndex></SmoothStreamingMedia>'
    ),
}


def bomb(size: int) -> bytes:
    """A playlist that is small on the way."""
    return gzip.compress(b"#EXTM3U\n" + b"#" * size)


def large_parameters(width: int, height: int) -> bytes:
    """Parameter sets of H.264 (7.3.2.1) that claim such pictures; multiples of 16."""
    bits = _Bits()
    for value in (0, 0, 2, 1):  # id, frame numbers, order of pictures, references
        bits.golomb(value)
    bits.plain(0, 1)
    bits.golomb(width // 16 - 1)
    bits.golomb(height // 16 - 1)
    for value in (1, 1, 0, 0, 1):  # frames only, direct, not cropped, no more, end
        bits.plain(value, 1)
    sequence = bytes([0x67, 66, 0xC0, 62]) + bits.all()
    return b"\0\0\0\1" + sequence + b"\0\0\0\1" + bytes.fromhex("68ce3c80")


class _Bits:
    def __init__(self) -> None:
        self._text = ""

    def plain(self, value: int, width: int) -> None:
        self._text += f"{value:0{width}b}"

    def golomb(self, value: int) -> None:
        digits = f"{value + 1:b}"
        self._text += "0" * (len(digits) - 1) + digits

    def all(self) -> bytes:
        padded = self._text.ljust(-(-len(self._text) // 8) * 8, "0")
        return int(padded, 2).to_bytes(len(padded) // 8, "big")
