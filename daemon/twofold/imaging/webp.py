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
_NO_BLENDING = 0x02
_PICTURE = (b"VP8 ", b"VP8L", b"ALPH")
_CAPS = {b"VP8X": 10, b"ICCP": MAX_ICC_BYTES, b"EXIF": MAX_EXIF_BYTES, b"XMP ": MAX_XMP_BYTES}


def inspect(data: FileBytes) -> Inspection:
    """Walk every chunk; the file must be as long as it says."""
    length = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < length:
        raise damaged("its end is missing")
    blocks: dict[bytes, bytes] = {}
    width = height = frames = 0
    alpha = lossless = False
    for kind, start, size in chunks(data, length):
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


def chunks(data: FileBytes, end: int) -> Iterator[tuple[bytes, int, int]]:
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


def chunk(kind: bytes, block: bytes) -> bytes:
    return kind + struct.pack("<I", len(block)) + block + b"\0" * (len(block) & 1)


def _canvas(flags: int, width: int, height: int) -> bytes:
    return bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def animation_head(
    blocks: dict[bytes, bytes], size: tuple[int, int], plays: int, *, alpha: bool, length: int = 8
) -> bytes:
    """The opening of an animation of `length` bytes up to its first frame; `blocks` are the metadata around it."""
    flags = _ANIMATION | (_ALPHA if alpha else 0)
    for flag, kind in ((_ICC, b"ICCP"), (_EXIF, b"EXIF"), (_XMP, b"XMP ")):
        flags |= flag if kind in blocks else 0
    profile = chunk(b"ICCP", blocks[b"ICCP"]) if b"ICCP" in blocks else b""
    loop = chunk(b"ANIM", bytes(4) + struct.pack("<H", plays))
    riff = b"RIFF" + struct.pack("<I", length - 8) + b"WEBP"
    return riff + chunk(b"VP8X", _canvas(flags, *size)) + profile + loop


def frame(still: bytes, duration_ms: int) -> bytes:
    """One whole frame of an animation from a file of its own: it takes the place of what was shown before."""
    found = inspect(still).header
    picture = [(kind, still[at : at + size]) for kind, at, size in chunks(still, len(still))]
    size_px = (found.width - 1).to_bytes(3, "little") + (found.height - 1).to_bytes(3, "little")
    head = bytes(6) + size_px + min(duration_ms, 2**24 - 1).to_bytes(3, "little") + bytes((_NO_BLENDING,))
    body = b"".join(chunk(kind, block) for kind, block in picture if kind in _PICTURE)
    return chunk(b"ANMF", head + body)


def assemble(bare: bytes, metadata: Metadata) -> bytes:
    """The encoder's picture with the metadata around it; `bare` is a whole file without any."""
    found = inspect(bare).header
    picture = [(kind, bare[at : at + size]) for kind, at, size in chunks(bare, len(bare)) if kind != b"VP8X"]
    if any(kind not in _PICTURE for kind, _ in picture):
        raise unsupported("a WebP with unknown chunks from the encoder")
    flags = _ALPHA if found.alpha else 0
    parts: list[tuple[bytes, bytes]] = []
    if metadata.icc is not None:
        flags |= _ICC
        parts.append((b"ICCP", metadata.icc))
    parts += picture
    for flag, kind, block in ((_EXIF, b"EXIF", metadata.exif), (_XMP, b"XMP ", metadata.xmp)):
        if block is not None:
            flags |= flag
            parts.append((kind, block))
    if not flags & ~_ALPHA:
        return bare
    parts.insert(0, (b"VP8X", _canvas(flags, found.width, found.height)))
    body = b"WEBP" + b"".join(chunk(kind, block) for kind, block in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
