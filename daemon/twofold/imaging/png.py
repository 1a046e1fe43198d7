"""PNG files: what their chunks say, and the chunks that open a new one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from twofold.core.picture import BUFFERED, PictureHeader
from twofold.imaging import exif, png_text
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, MAX_XMP_BYTES, Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
IHDR_BYTES = 13
MAX_CHUNKS = 4_000_000
MAX_TEXTS = 4096
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# What the samples mean, and when the picture was last changed: kept as it is. iCCP is apart.
_COLOUR = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"gAMA", b"cHRM", b"tIME")
_INCH_M = 0.0254
_CRC_STEP_BYTES = 2**20
_MODES = {0: ("L", 1, False), 2: ("RGB", 3, False), 3: ("P", 3, False), 4: ("LA", 1, True), 6: ("RGBA", 3, True)}
_CAPS = {
    b"IHDR": 13,
    b"iCCP": MAX_ICC_BYTES,
    b"eXIf": MAX_EXIF_BYTES,
    b"pHYs": 9,
    b"acTL": 8,
    **dict.fromkeys(_TEXTS, MAX_XMP_BYTES),
    **dict.fromkeys(_COLOUR, 64),
}


def inspect(data: FileBytes) -> Inspection:
    """Walk every chunk up to IEND and check its CRC; nothing is inflated but bounded profiles and texts."""
    blocks: dict[bytes, bytes] = {}
    texts: list[tuple[bytes, bytes]] = []
    seen: set[bytes] = set()
    for kind, start, length in chunks(data):
        if not seen and kind != b"IHDR":
            raise unsupported("a PNG that does not start with its header")
        seen.add(kind)
        if kind not in _CAPS or length > _CAPS[kind]:
            continue
        if kind not in _TEXTS:
            blocks.setdefault(kind, data[start : start + length])
        elif len(texts) < MAX_TEXTS:
            texts.append((kind, data[start : start + length]))
    if b"IDAT" not in seen:
        raise damaged("it has no pixels")
    metadata = png_text.add_texts(
        Metadata(
            _profile(blocks.get(b"iCCP")),
            blocks.get(b"eXIf"),
            dpi=_density(blocks.get(b"pHYs")),
            colour=tuple(kind + blocks[kind] for kind in _COLOUR if kind in blocks),
        ),
        texts,
    )
    frames = int.from_bytes(blocks.get(b"acTL", b"\0\0\0\1")[:4], "big")
    return Inspection(_header(blocks.get(b"IHDR", b""), b"tRNS" in seen, 2 if frames > 1 else 1, metadata), metadata)


def chunks(data: FileBytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, body offset and length of every chunk, its CRC checked."""
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        head = data[at : at + 8]
        end = at + 12 + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end > len(data):
            raise damaged("its chunks break off")
        crc = zlib.crc32(head[4:])
        for piece in range(at + 8, end - 4, _CRC_STEP_BYTES):
            crc = zlib.crc32(data[piece : min(piece + _CRC_STEP_BYTES, end - 4)], crc)
        if crc != int.from_bytes(data[end - 4 : end], "big"):
            raise damaged(f"the checksum of a {head[4:8].decode('latin-1')!r} chunk is wrong")
        yield head[4:8], at + 8, end - at - 12
        if head[4:8] == b"IEND":
            return
        at = end
    raise damaged("it has too many chunks")


def _header(ihdr: bytes, transparent: bool, frames: int, metadata: Metadata) -> PictureHeader:
    if len(ihdr) != IHDR_BYTES:
        raise damaged("its header has the wrong length")
    width, height, bits, colour, interlaced = struct.unpack(">IIBB2xB", ihdr)
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise damaged("its header says that it has no pixels")
    if colour not in _MODES or bits not in (1, 2, 4, 8, 16):
        raise damaged("its header names no known kind of pixel")
    mode, channels, alpha = _MODES[colour]
    turned = exif.orientation(metadata.exif)
    size = upright(width, height, turned)
    return PictureHeader(
        format="png",
        width=size.width,
        height=size.height,
        channels=channels,
        depth=16 if bits == 16 else 8,
        alpha=alpha or transparent,
        frames=frames,
        orientation=turned,
        mode="1" if mode == "L" and bits == 1 else mode,
        icc_bytes=len(metadata.icc or b""),
        lossless=True,
        signals={BUFFERED: 1.0} if interlaced else {},
    )


def _profile(body: bytes | None) -> bytes | None:
    if body is None:
        return None
    _, _, packed = body.partition(b"\0")
    return png_text.inflate(packed[1:], MAX_ICC_BYTES)


def _density(body: bytes | None) -> tuple[float, float] | None:
    if body is None or len(body) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", body)
    return (x * _INCH_M, y * _INCH_M) if unit == 1 and x and y else None


def head(ihdr: bytes, metadata: Metadata) -> bytes:
    """The opening of a new file up to its pixels; `ihdr` is the encoder's header (IHDR_BYTES)."""
    parts = [SIGNATURE, chunk(b"IHDR", ihdr)]
    parts += [chunk(block[:4], block[4:]) for block in metadata.colour]
    if metadata.icc is not None:
        parts.append(chunk(b"iCCP", b"icc\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi is not None:
        x, y = (min(max(round(value / _INCH_M), 1), 2**31 - 1) for value in metadata.dpi)
        parts.append(chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif is not None:
        parts.append(chunk(b"eXIf", metadata.exif))
    texts = png_text.text_chunks(metadata) or [(b"tEXt", b"Software\0Twofold")]  # never shorter than the encoder's head
    return b"".join([*parts, *(chunk(kind, body) for kind, body in texts)])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
