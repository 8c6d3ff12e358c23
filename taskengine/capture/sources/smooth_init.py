"""What Smooth Streaming leaves out of its fragments: the initialization, and their times.

Built from the client manifest's CodecPrivateData, so that a fragment is one of fragmented MP4
(MS-SSTR 2.2.4; ISO/IEC 14496-12).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from taskengine.capture.model import SourceRefused
from taskengine.media.boxes import UNITY, box, boxes, full

START_CODE = re.compile(b"\x00\x00\x00\x01|\x00\x00\x01")
TIMES = (  # of this fragment, and of those to come
    bytes.fromhex("6d1d9b0542d544e680e2141daff757b2"),
    bytes.fromhex("d4807ef2ca3946958e5426cb9e46a79f"),
)
RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
MAIN_PROFILE = 2  # of AAC: low complexity
OF_A_SAMPLE = (0x100, 0x200, 0x400, 0x800)  # flags of `trun`: what is said of each sample
DELAYED = 0x800
START = (
    1 << 30
)  # ticks that are added to all times: the first picture is decoded before it is shown
VPS, SPS, PPS = 32, 33, 34  # NAL units of HEVC


@dataclass(frozen=True, slots=True)
class Quality:
    """A QualityLevel of a manifest."""

    kind: str  # video, audio
    codec: str  # FourCC
    private: bytes
    scale: int
    width: int = 0
    height: int = 0
    rate: int = 0
    channels: int = 0


def initialization(quality: Quality) -> bytes:
    """`ftyp` and `moov`. Raises SourceRefused for codecs that nobody here knows."""
    is_video = quality.kind == "video"
    entry = _picture_entry(quality) if is_video else _sound_entry(quality)
    described = full(b"stsd", struct.pack(">I", 1), entry)
    empty = [full(kind, bytes(4)) for kind in (b"stts", b"stsc", b"stco")]
    table = box(b"stbl", described, *empty, full(b"stsz", bytes(8)))
    header = full(b"vmhd", bytes(8), flags=1) if is_video else full(b"smhd", bytes(4))
    data = box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1)))
    handler = full(b"hdlr", bytes(4), b"vide" if is_video else b"soun", bytes(12), b"\0")
    media = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, quality.scale, 0, 0x55C4, 0))
    mdia = box(b"mdia", media, handler, box(b"minf", header, data, table))
    volume = struct.pack(">hhhh", 0, 0, 0 if is_video else 0x100, 0)
    size = struct.pack(">II", quality.width << 16, quality.height << 16)
    identity = struct.pack(">IIIII", 0, 0, 1, 0, 0) + bytes(8)
    track = full(b"tkhd", identity, volume, UNITY, size, flags=7)
    times = struct.pack(">IIIIIH", 0, 0, quality.scale, 0, 0x10000, 0x100) + bytes(10)
    movie = full(b"mvhd", times, UNITY, bytes(24), struct.pack(">I", 2))
    extends = box(b"mvex", full(b"trex", struct.pack(">IIIII", 1, 1, 0, 0, 0)))
    moov = box(b"moov", movie, box(b"trak", track, mdia), extends)
    return box(b"ftyp", b"isom\0\0\0\1isomiso6piff") + moov


def timed(fragment: bytes, time: int) -> bytes:
    """A fragment with its decode time in it (`tfdt`), as track 1. Raises ValueError.

    The time that a manifest tells of a chunk is that at which its first sample is shown. It becomes
    START ticks more, for each fragment alike.
    """
    kinds = [(kind, start - 8, end) for kind, start, end in boxes(fragment)]
    [(start, end)] = [(start, end) for kind, start, end in kinds if kind == b"moof"]
    moof = b"".join(
        _traf(fragment, first, last, time) if kind == b"traf" else fragment[first - 8 : last]
        for kind, first, last in boxes(fragment, start + 8, end)
    )
    made = bytearray(box(b"moof", moof))
    _move_data(made, len(made) - (end - start))
    return fragment[:start] + bytes(made) + fragment[end:]


def _traf(fragment: bytes, start: int, end: int, time: int) -> bytes:
    inner = [(kind, first, fragment[first - 8 : last]) for kind, first, last in
             boxes(fragment, start, end)]  # fmt: skip
    runs = [_Run(own) for kind, _, own in inner if kind == b"trun"]
    earliest = min((delay for run in runs for delay in run.delays()), default=0)
    first_delay = next((delay for run in runs for delay in run.delays()), 0)
    by = max(0, -earliest)  # readers take offsets below zero for a shift of all that follows
    decoded = START + time - first_delay - by
    parts = []
    for kind, first, own in inner:
        if kind == b"tfdt" or (kind == b"uuid" and fragment[first : first + 16] in TIMES):
            continue
        if kind == b"tfhd":
            own = own[:12] + struct.pack(">I", 1) + own[16:]
            own += full(b"tfdt", struct.pack(">Q", decoded), version=1)
        parts.append(_Run(own).delayed(by) if kind == b"trun" else own)
    return box(b"traf", *parts)


@dataclass(frozen=True, slots=True)
class _Run:
    """The box `trun` (ISO/IEC 14496-12, 8.8.8): how long after its decoding a sample is shown."""

    box: bytes

    def _places(self) -> range:
        """Where the delay of each sample stands; none if samples have none. Raises ValueError."""
        if len(self.box) < 16:
            raise ValueError("its samples are cut")
        flags, number = struct.unpack_from(">II", self.box, 8)
        sizes = 4 * sum(bool(flags & one) for one in OF_A_SAMPLE)
        head = 16 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
        if head + sizes * number > len(self.box):
            raise ValueError("its samples are cut")
        at = head + 4 * sum(bool(flags & one) for one in OF_A_SAMPLE if one < DELAYED)
        return range(at, at + sizes * number, sizes) if flags & DELAYED else range(0)

    def delays(self) -> Iterator[int]:
        layout = ">i" if self.box[8] else ">I"
        return (struct.unpack_from(layout, self.box, place)[0] for place in self._places())

    def delayed(self, by: int) -> bytes:
        """Each sample is shown later."""
        made, layout = bytearray(self.box), ">i" if self.box[8] else ">I"
        for place in self._places() if by else ():
            [delay] = struct.unpack_from(layout, made, place)
            struct.pack_into(layout, made, place, delay + by)
        return bytes(made)


def _move_data(moof: bytearray, by: int) -> None:
    """`trun` counts to the samples from the beginning of `moof`, which has grown."""
    place = moof.find(b"trun")
    if place < 0:
        raise ValueError("the fragment has no samples")
    if moof[place + 7] & 1:
        [offset] = struct.unpack_from(">i", moof, place + 12)
        struct.pack_into(">i", moof, place + 12, offset + by)


def _picture_entry(quality: Quality) -> bytes:
    units = [unit for unit in START_CODE.split(quality.private) if unit]
    match quality.codec.upper():
        case "H264" | "AVC1" | "DAVC":
            name, configuration = b"avc1", _avc(units)
        case "HVC1" | "HEV1" | "H265" | "HEVC":
            name, configuration = b"hvc1", _hevc(units)
        case _:
            raise SourceRefused(f"pictures of {quality.codec[:20]!r} in Smooth Streaming")
    shape = struct.pack(">HHIIIH", quality.width, quality.height, 0x480000, 0x480000, 0, 1)
    head = bytes(6) + struct.pack(">H", 1) + bytes(16)
    return box(name, head, shape, bytes(32), struct.pack(">Hh", 24, -1), configuration)


def _avc(units: list[bytes]) -> bytes:
    sequence = [unit for unit in units if unit[0] & 31 == 7]
    picture = [unit for unit in units if unit[0] & 31 == 8]
    if not sequence or not picture:
        raise SourceRefused("its CodecPrivateData lacks the parameter sets of H.264")
    first = bytes([1, *sequence[0][1:4], 0xFF, 0xE0 | len(sequence)])
    sets = [*map(_sized, sequence), bytes([len(picture)]), *map(_sized, picture)]
    return box(b"avcC", first, *sets)


def _hevc(units: list[bytes]) -> bytes:
    """The profile is read from the sequence's parameter set, where it stands byte by byte."""
    by_kind = {kind: [u for u in units if u[0] >> 1 & 63 == kind] for kind in (VPS, SPS, PPS)}
    if not all(by_kind.values()):
        raise SourceRefused("its CodecPrivateData lacks the parameter sets of H.265")
    plain = by_kind[SPS][0].replace(b"\x00\x00\x03", b"\x00\x00")
    profile = plain[3:15]
    fixed = b"\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f"
    arrays = b"".join(
        bytes([0x80 | kind]) + struct.pack(">H", len(found)) + b"".join(map(_sized, found))
        for kind, found in by_kind.items()
    )
    return box(b"hvcC", b"\x01", profile, fixed, bytes([len(by_kind)]), arrays)


def _sound_entry(quality: Quality) -> bytes:
    if quality.codec.upper() not in ("AACL", "AACH", "MP4A", "AAC", ""):
        raise SourceRefused(f"sound of {quality.codec[:20]!r} in Smooth Streaming")
    private = quality.private or _low_complexity(quality)
    inner = bytes([0x40, 0x15]) + bytes(3) + struct.pack(">II", 0, 0) + _descriptor(5, private)
    stream = struct.pack(">HB", 1, 0) + _descriptor(4, inner) + _descriptor(6, b"\x02")
    head = bytes(6) + struct.pack(">H", 1) + bytes(8)
    shape = struct.pack(">HHHHI", quality.channels or 2, 16, 0, 0, quality.rate << 16 & 0xFFFFFFFF)
    return box(b"mp4a", head, shape, full(b"esds", _descriptor(3, stream)))


def _low_complexity(quality: Quality) -> bytes:
    if quality.rate not in RATES:
        raise SourceRefused(f"sound of {quality.rate} Hz without CodecPrivateData")
    bits = MAIN_PROFILE << 11 | RATES.index(quality.rate) << 7 | (quality.channels or 2) << 3
    return struct.pack(">H", bits)


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def _sized(unit: bytes) -> bytes:
    return struct.pack(">H", len(unit)) + unit
