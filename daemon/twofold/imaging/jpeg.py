"""JPEG files: what their segments say, and the segments that open a new one."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from twofold.core.picture import BUFFERED, PictureHeader
from twofold.imaging import exif, ifd
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import (
    FILM,
    FURTHER,
    GAIN_MAP,
    MAX_ICC_BYTES,
    MAX_PHOTOSHOP_BYTES,
    MAX_TEXT_BYTES,
    MAX_XMP_EXTENSION_BYTES,
    JpegLook,
    Metadata,
)
from twofold.imaging.xmp_extension import Split, named_extension, split

MAX_SEGMENTS = 4096
START = b"\xff\xd8"

MAX_COMMENTS = 64

_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_XMP_EXTENSION, _PHOTOSHOP = b"http://ns.adobe.com/xmp/extension/\0", b"Photoshop 3.0\0"
_EXTENSION_HEAD_BYTES = len(_XMP_EXTENSION) + 32 + 4 + 4  # name, whole length, offset of the part
_EXTENSION_STEP_BYTES = 65400
_MPF, _MPF_ENTRIES = b"MPF\0", 0xB002
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_SAMSUNG_END, _SAMSUNG_FILM = b"SEFT", b"MotionPhoto_Data"
_SOS, _COM, _EOI = 0xDA, 0xFE, b"\xff\xd9"
_OF_INTEREST = {0xE0, 0xE1, 0xE2, 0xEB, 0xED, _COM}
_SIZED_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # Huffman or arithmetic, sequential or progressive
_PROGRESSIVE = {0xC2, 0xCA}
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}  # lossless and hierarchical
_SEGMENT_BYTES = 65533  # a segment's length field counts itself
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_TABLE_VALUES = 64
_IJG_MEAN = 57.625  # of the luma table in Annex K of the standard, which libjpeg calls quality 50


class _Frame(NamedTuple):
    precision: int
    height: int
    width: int
    components: int
    progressive: bool
    factors: bytes  # three bytes for each component: its number, its sampling (two half bytes), its table


def inspect(data: FileBytes) -> Inspection:
    """Walk the segments up to the first scan, and look for the end mark behind it."""
    frame: _Frame | None = None
    found = _Found()
    tables: dict[int, tuple[int, ...]] = {}
    at = 2
    for _ in range(MAX_SEGMENTS):
        marker, start, end = _segment(data, at)
        body = data[start : min(end, start + 64)]
        if marker in _SIZED_FRAMES:
            if len(body) < 6:
                raise damaged("its frame header is too short")
            precision, height, width, components = struct.unpack(">BHHB", body[:6])
            frame = _Frame(precision, height, width, components, marker in _PROGRESSIVE, body[6:])
        elif marker == 0xDB:
            tables |= _tables(data[start:end])
        elif marker in _OTHER_FRAMES:
            raise unsupported("a lossless or hierarchical JPEG")
        elif marker == _SOS:
            break
        elif marker in _OF_INTEREST:
            _keep(marker, data[start:end], found)
        at = end
    if frame is None or marker != _SOS:
        raise damaged("it has no scan")
    if data.rfind(_EOI, end) < 0:
        raise damaged("its end is missing")
    if data[len(data) - 4 :] == _SAMSUNG_END and data.rfind(_SAMSUNG_FILM, end) >= 0:
        found.hanging.add(FILM)
    signals = {"jpeg_quality": _quality(tables[0])} if 0 in tables else {}
    signals |= {BUFFERED: 1.0} if frame.progressive else {}
    look = JpegLook(tuple(tables[number] for number in sorted(tables)), _sampling(frame)) if tables else None
    metadata = replace(found.metadata(), jpeg=look)
    return Inspection(_header(frame, metadata, signals), metadata)


@dataclass(slots=True)
class _Found:
    """The metadata segments met so far."""

    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    icc_parts: dict[int, bytes] = field(default_factory=dict)
    extension_parts: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    photoshop_parts: list[bytes] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)

    def metadata(self) -> Metadata:
        icc = b"".join(self.icc_parts[number] for number in sorted(self.icc_parts))
        resources = b"".join(self.photoshop_parts)
        name = named_extension(self.xmp or b"")
        parts = self.extension_parts.get(name.upper(), {}) if name else {}
        extension = b"".join(parts[start] for start in sorted(parts))
        if len(extension) > MAX_XMP_EXTENSION_BYTES:
            self.hanging.add("an extension of its XMP")
            extension = b""
        return Metadata(
            icc if 0 < len(icc) <= MAX_ICC_BYTES else None,
            self.exif,
            self.xmp,
            self.dpi,
            photoshop=resources if 0 < len(resources) <= MAX_PHOTOSHOP_BYTES else None,
            xmp_extension=extension or None,
            comments=tuple(self.comments) if sum(map(len, self.comments)) <= MAX_TEXT_BYTES else (),
            hanging=tuple(sorted(self.hanging)),
        )


def _keep(marker: int, body: bytes, found: _Found) -> None:
    """Put a metadata segment where it belongs; of EXIF and XMP the first counts."""
    if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
        found.dpi = _density(*struct.unpack(">BHH", body[7:12]))
    elif marker == 0xE1 and body.startswith(_EXIF):
        found.exif = body[len(_EXIF) :] if found.exif is None else found.exif
    elif marker == 0xE1 and body.startswith(_XMP):
        found.xmp = body[len(_XMP) :] if found.xmp is None else found.xmp
    elif marker == 0xE1 and body.startswith(_XMP_EXTENSION) and len(body) > _EXTENSION_HEAD_BYTES:
        name = body[len(_XMP_EXTENSION) : len(_XMP_EXTENSION) + 32].upper()
        start = int.from_bytes(body[_EXTENSION_HEAD_BYTES - 4 : _EXTENSION_HEAD_BYTES], "big")
        found.extension_parts.setdefault(name, {}).setdefault(start, body[_EXTENSION_HEAD_BYTES:])
    elif marker == 0xE2 and body.startswith(_ICC) and len(body) > 14:
        found.icc_parts[body[12]] = body[14:]
    elif marker == 0xE2 and body.startswith(_MPF):
        found.hanging |= _further_pictures(body[len(_MPF) :])
    elif marker == 0xE2 and body.startswith(_ISO_GAIN_MAP):
        found.hanging.add(GAIN_MAP)
    elif marker == 0xEB and b"c2pa" in body:
        found.hanging.add("its content credentials")
    elif marker == 0xED and body.startswith(_PHOTOSHOP):
        found.photoshop_parts.append(body[len(_PHOTOSHOP) :])
    elif marker == _COM and len(found.comments) < MAX_COMMENTS:
        found.comments.append(body)


def _further_pictures(index: bytes) -> set[str]:
    """What a multi-picture index points to besides the picture itself and its previews."""
    try:
        tree = ifd.open_tree(index)
        entries, _ = ifd.read_directory(index, tree, tree.first)
    except ValueError:
        return set()
    pictures = entries.get(_MPF_ENTRIES)
    if pictures is None:
        return set()
    raw = ifd.raw(index, pictures)
    kinds = {struct.unpack_from(tree.order + "I", raw, at)[0] & 0xFFFFFF for at in range(0, len(raw) - 15, 16)}
    kinds -= {0x030000, 0x010001, 0x010002, 0x010003, 0x010004, 0x010005}  # the primary picture, and previews of it
    return {FURTHER} if kinds else set()


def _segment(data: FileBytes, at: int) -> tuple[int, int, int]:
    """The marker at `at`, and its body's start and end."""
    mark = data[at : at + 2]
    while mark == b"\xff\xff":  # fill bytes
        at += 1
        mark = data[at : at + 2]
    length = data[at + 2 : at + 4]
    if len(mark) < 2 or mark[0] != 0xFF or len(length) < 2:
        raise damaged("its segments break off")
    start, end = at + 4, at + 2 + int.from_bytes(length, "big")
    if end < start or end > len(data):
        raise damaged("its segments break off")
    return mark[1], start, end


def _tables(body: bytes) -> dict[int, tuple[int, ...]]:
    """The quantisation tables of a segment by their numbers, as stored; what breaks off is left out."""
    found: dict[int, tuple[int, ...]] = {}
    at = 0
    while at < len(body):
        width = 2 if body[at] >> 4 else 1
        values = body[at + 1 : at + 1 + _TABLE_VALUES * width]
        if len(values) < _TABLE_VALUES * width:
            break
        found[body[at] & 0xF] = struct.unpack(f">{_TABLE_VALUES}{'H' if width == 2 else 'B'}", values)
        at += 1 + _TABLE_VALUES * width
    return found


def _quality(table: tuple[int, ...]) -> float:
    """libjpeg's quality (1 to 100) whose luma table has the same mean as this one."""
    percent = 100 * sum(table) / _TABLE_VALUES / _IJG_MEAN
    quality: float = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return round(min(100.0, max(1.0, quality)), 1)


def _sampling(frame: _Frame) -> tuple[int, int]:
    """Samples of the first component for one of the second, horizontally and vertically; (1, 1) for grey."""
    if len(frame.factors) < 6:
        return 1, 1
    luma, chroma = frame.factors[1], frame.factors[4]
    return (luma >> 4) // max(1, chroma >> 4), (luma & 0xF) // max(1, chroma & 0xF)


def _density(unit: int, x: int, y: int) -> tuple[float, float] | None:
    if not x or not y or unit not in (1, 2):
        return None
    return (float(x), float(y)) if unit == 1 else (x * 2.54, y * 2.54)


def _header(frame: _Frame, metadata: Metadata, signals: dict[str, float]) -> PictureHeader:
    if frame.precision != 8:
        raise unsupported(f"a JPEG of {frame.precision} bits")
    if frame.components not in _MODES:
        raise unsupported(f"a JPEG of {frame.components} components")
    if not frame.width or not frame.height:
        raise damaged("its header says that it has no pixels")
    turned = exif.orientation(metadata.exif)
    size = upright(frame.width, frame.height, turned)
    return PictureHeader(
        format="jpeg",
        width=size.width,
        height=size.height,
        channels=1 if frame.components == 1 else 3,
        orientation=turned,
        mode=_MODES[frame.components],
        icc_bytes=len(metadata.icc or b""),
        signals=signals,
    )


def head(metadata: Metadata) -> tuple[bytes, list[str]]:
    """The opening segments of a new file, SOI included, and a warning for each block that JPEG cannot hold."""
    warnings: list[str] = []
    x, y = (1, 1) if metadata.dpi is None else (_dpi(metadata.dpi[0]), _dpi(metadata.dpi[1]))
    unit = 0 if metadata.dpi is None else 1
    parts = [START, _marker(0xE0, b"JFIF\0\1\1" + struct.pack(">BHHBB", unit, x, y, 0, 0))]
    if metadata.exif is not None:
        block = _fitting(metadata.exif, warnings)
        parts += [] if block is None else [_marker(0xE1, _EXIF + block)]
    if metadata.xmp is not None:
        try:
            parts += _xmp_segments(split(metadata.xmp, _SEGMENT_BYTES - len(_XMP)))
        except ValueError as error:
            warnings.append(f"the XMP packet was dropped: {error}")
    parts += _pieces(0xED, _PHOTOSHOP, metadata.photoshop or b"")
    if metadata.icc is not None:
        step = _SEGMENT_BYTES - len(_ICC) - 2
        pieces = [metadata.icc[at : at + step] for at in range(0, len(metadata.icc), step)]
        for number, piece in enumerate(pieces, 1):
            parts.append(_marker(0xE2, _ICC + bytes((number, len(pieces))) + piece))
    parts += [_marker(_COM, comment[:_SEGMENT_BYTES]) for comment in metadata.comments]
    return b"".join(parts), warnings


def _fitting(block: bytes, warnings: list[str]) -> bytes | None:
    """An EXIF block that one segment holds: without its thumbnail, without its maker note, or not at all."""
    room_bytes = _SEGMENT_BYTES - len(_EXIF)
    if len(block) <= room_bytes:
        return block
    block = exif.without_thumbnail(block)
    if len(block) <= room_bytes:
        return block
    block = exif.without_maker_note(block)
    if len(block) <= room_bytes:
        warnings.append("the maker note was dropped: JPEG holds at most 64 KiB of EXIF")
        return block
    warnings.append("the EXIF block was dropped: JPEG holds at most 64 KiB of it")
    return None


def _xmp_segments(parts: Split) -> list[bytes]:
    segments = [_marker(0xE1, _XMP + parts.packet)]
    extension = parts.extension or b""
    for at in range(0, len(extension), _EXTENSION_STEP_BYTES):
        place = struct.pack(">II", len(extension), at)
        piece = extension[at : at + _EXTENSION_STEP_BYTES]
        segments.append(_marker(0xE1, _XMP_EXTENSION + parts.name + place + piece))
    return segments


def _pieces(code: int, mark: bytes, block: bytes) -> list[bytes]:
    step = _SEGMENT_BYTES - len(mark)
    return [_marker(code, mark + block[at : at + step]) for at in range(0, len(block), step)]


def _marker(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def _dpi(value: float) -> int:
    return min(max(round(value), 1), 0xFFFF)
