"""WebP files: what their chunks say, and a new one assembled from an encoder's bare picture."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from twofold.core.picture import PictureHeader
from twofold.imaging import exif
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, MAX_XMP_BYTES, Metadata

MAX_CHUNKS = 100_000
_ANIMATION, _XMP, _EXIF, _ALPHA, _ICC = 0x02, 0x04, 0x08, 0x10, 0x20
_CAPS = {b"VP8X": 10, b"ICCP": MAX_ICC_BYTES, b"EXIF": MAX_EXIF_BYTES, b"XMP ": MAX_XMP_BYTES}


def inspect(data: FileBytes) -> Inspection:
    """Walk every chunk; the file must be as long as it says."""
    length = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < length:
        raise damaged("its end is missing")
    blocks: dict[bytes, bytes] = {}
    width = height = frames = 0
    alpha = lossless = False
    for kind, start, size in _chunks(data, length):
        if kind in _CAPS and size <= _CAPS[kind]:
            blocks.setdefault(kind, data[start : start + size])
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"ALPH":
            alpha = True
        elif kind in (b"VP8 ", b"VP8L") and not width:
            lossless = kind == b"VP8L"
            width, height, opaque = (_vp8l if lossless else _vp8)(data[start : start + 10])
            alpha = alpha or not opaque
    animated = bool(blocks.get(b"VP8X", b"\0")[0] & _ANIMATION)
    if animated and frames:
        canvas = blocks[b"VP8X"]
        width, height = 1 + int.from_bytes(canvas[4:7], "little"), 1 + int.from_bytes(canvas[7:10], "little")
    if not width or not height:
        raise damaged("it has no pixels")
    block = blocks.get(b"EXIF")
    metadata = Metadata(
        blocks.get(b"ICCP") or None, block.removeprefix(b"Exif\0\0") if block else None, blocks.get(b"XMP ") or None
    )
    turned = exif.orientation(metadata.exif)
    size_px = upright(width, height, turned)
    header = PictureHeader(
        format="webp",
        width=size_px.width,
        height=size_px.height,
        alpha=alpha,
        frames=2 if animated else 1,
        orientation=turned,
        mode="RGBA" if alpha else "RGB",
        icc_bytes=len(metadata.icc or b""),
        lossless=lossless,
    )
    return Inspection(header, metadata)


def _chunks(data: FileBytes, end: int) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    for _ in range(MAX_CHUNKS):
        if at >= end:
            return
        head = data[at : at + 8]
        size = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or at + 8 + size > end:
            raise damaged("its chunks break off")
        yield head[:4], at + 8, size
        at += 8 + size + (size & 1)
    raise damaged("it has too many chunks")


def _vp8(frame: bytes) -> tuple[int, int, bool]:
    if len(frame) < 10 or frame[3:6] != b"\x9d\x01\x2a":
        raise damaged("its frame header is wrong")
    width, height = struct.unpack("<HH", frame[6:10])
    return width & 0x3FFF, height & 0x3FFF, True


def _vp8l(frame: bytes) -> tuple[int, int, bool]:
    if len(frame) < 5 or frame[0] != 0x2F:
        raise damaged("its frame header is wrong")
    bits = int.from_bytes(frame[1:5], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), not bits >> 28 & 1


def assemble(bare: bytes, metadata: Metadata) -> bytes:
    """The encoder's picture with the metadata around it; `bare` is a whole file without any."""
    found = inspect(bare).header
    picture = [(kind, bare[at : at + size]) for kind, at, size in _chunks(bare, len(bare)) if kind != b"VP8X"]
    if any(kind not in (b"VP8 ", b"VP8L", b"ALPH") for kind, _ in picture):
        raise unsupported("a WebP with unknown chunks from the encoder")
    flags = _ALPHA if found.alpha else 0
    chunks: list[tuple[bytes, bytes]] = []
    if metadata.icc is not None:
        flags |= _ICC
        chunks.append((b"ICCP", metadata.icc))
    chunks += picture
    for flag, kind, block in ((_EXIF, b"EXIF", metadata.exif), (_XMP, b"XMP ", metadata.xmp)):
        if block is not None:
            flags |= flag
            chunks.append((kind, block))
    if not flags & ~_ALPHA:
        return bare
    canvas = (found.width - 1).to_bytes(3, "little") + (found.height - 1).to_bytes(3, "little")
    chunks.insert(0, (b"VP8X", bytes((flags, 0, 0, 0)) + canvas))
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(block)) + block + b"\0" * (len(block) & 1) for kind, block in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body
