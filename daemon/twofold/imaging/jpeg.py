"""JPEG files: what their segments say, and the segments that open a new one."""

from __future__ import annotations

import struct
from typing import NamedTuple

from twofold.core.picture import BUFFERED, PictureHeader
from twofold.imaging import exif
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_ICC_BYTES, JpegLook, Metadata

MAX_SEGMENTS = 4096
START = b"\xff\xd8"

_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_SOS, _EOI = 0xDA, b"\xff\xd9"
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
    blocks: dict[str, bytes] = {}
    icc_parts: dict[int, bytes] = {}
    dpi: tuple[float, float] | None = None
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
        elif marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            dpi = _density(*struct.unpack(">BHH", body[7:12]))
        elif marker in (0xE1, 0xE2):
            _keep(marker, data[start:end], blocks, icc_parts)
        elif marker == _SOS:
            break
        at = end
    if frame is None or marker != _SOS:
        raise damaged("it has no scan")
    if data.rfind(_EOI, end) < 0:
        raise damaged("its end is missing")
    icc = b"".join(icc_parts[number] for number in sorted(icc_parts))
    metadata = Metadata(
        icc if 0 < len(icc) <= MAX_ICC_BYTES else None,
        blocks.get("exif"),
        blocks.get("xmp"),
        dpi,
        JpegLook(tuple(tables[number] for number in sorted(tables)), _sampling(frame)) if tables else None,
    )
    signals = {"jpeg_quality": _quality(tables[0])} if 0 in tables else {}
    signals |= {BUFFERED: 1.0} if frame.progressive else {}
    return Inspection(_header(frame, metadata, signals), metadata)


def _keep(marker: int, body: bytes, blocks: dict[str, bytes], icc_parts: dict[int, bytes]) -> None:
    """Put a metadata segment where it belongs; of EXIF and XMP the first counts."""
    if marker == 0xE1 and body.startswith(_EXIF):
        blocks.setdefault("exif", body[len(_EXIF) :])
    elif marker == 0xE1 and body.startswith(_XMP):
        blocks.setdefault("xmp", body[len(_XMP) :])
    elif marker == 0xE2 and body.startswith(_ICC) and len(body) > 14:
        icc_parts[body[12]] = body[14:]


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
    for name, mark, block in (("EXIF", _EXIF, metadata.exif), ("XMP", _XMP, metadata.xmp)):
        if block is None:
            continue
        if len(mark) + len(block) > _SEGMENT_BYTES:
            warnings.append(f"the {name} block was dropped: JPEG holds at most 64 KiB of it")
        else:
            parts.append(_marker(0xE1, mark + block))
    if metadata.icc is not None:
        step = _SEGMENT_BYTES - len(_ICC) - 2
        pieces = [metadata.icc[at : at + step] for at in range(0, len(metadata.icc), step)]
        for number, piece in enumerate(pieces, 1):
            parts.append(_marker(0xE2, _ICC + bytes((number, len(pieces))) + piece))
    return b"".join(parts), warnings


def _marker(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def _dpi(value: float) -> int:
    return min(max(round(value), 1), 0xFFFF)
