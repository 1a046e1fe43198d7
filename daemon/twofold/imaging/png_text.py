"""PNG's texts: plain, packed, or international; XMP and captions travel among them."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from twofold.imaging.metadata import MAX_PHOTOSHOP_BYTES, MAX_TEXT_BYTES, MAX_XMP_BYTES, Metadata

Chunk = tuple[bytes, bytes]

MAX_PACKED = 64  # texts to unpack: each may become as large as an XMP packet

_XMP = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "
# ImageMagick's way of keeping what PNG has no chunk for: a name, a length and hexadecimal digits.
_HEX = re.compile(r"\s*\w+\s+\d+\s+([0-9A-Fa-f\s]*)")
_HEX_LINE = 72


def add_texts(metadata: Metadata, chunks: Iterable[Chunk]) -> Metadata:
    """The metadata with what the chunks say; one that cannot be read says nothing."""
    texts: list[tuple[str, str]] = []
    left_bytes = MAX_TEXT_BYTES
    for keyword, raw in _read(chunks):
        if keyword == _XMP:
            metadata = replace(metadata, xmp=metadata.xmp or raw or None)
        elif keyword.startswith(_RAW_PROFILE):
            metadata = _with_profile(metadata, keyword.removeprefix(_RAW_PROFILE).lower(), raw)
        elif len(raw) <= left_bytes:
            left_bytes -= len(raw)
            texts.append((keyword, raw.decode("utf-8", "replace")))
    return replace(metadata, texts=tuple(texts))


def text_chunks(metadata: Metadata) -> list[Chunk]:
    """Kind and body of the chunks for a new file."""
    chunks = [] if metadata.xmp is None else [_international(_XMP, metadata.xmp)]
    if metadata.photoshop is not None:
        digits = metadata.photoshop.hex()
        lines = [digits[at : at + _HEX_LINE] for at in range(0, len(digits), _HEX_LINE)]
        text = "\n".join(["", "iptc", f"{len(metadata.photoshop):8}", *lines, ""])
        chunks.append((b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text.encode())))
    texts = [*metadata.texts, *(("Comment", comment.decode("utf-8", "replace")) for comment in metadata.comments)]
    for keyword, text in texts:
        try:
            chunks.append((b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1")))
        except UnicodeEncodeError:
            chunks.append(_international(keyword, text.encode("utf-8", "replace")))
    return chunks


def inflate(packed: bytes, limit_bytes: int) -> bytes | None:
    """The inflated bytes, or None where they are damaged or more than the limit."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(packed, limit_bytes)
    except zlib.error:
        return None
    return data if inflater.eof and data else None


def _international(keyword: str, text: bytes) -> Chunk:
    return b"iTXt", keyword.encode("latin-1", "replace") + b"\0\0\0\0\0" + text


def _read(chunks: Iterable[Chunk]) -> Iterator[tuple[str, bytes]]:
    """Keyword, and text in UTF-8."""
    packed = 0
    for kind, body in chunks:
        name, _, rest = body.partition(b"\0")
        keyword = name.decode("latin-1")
        raw: bytes | None = rest
        packed += kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
        if packed > MAX_PACKED:
            return
        if kind == b"zTXt":
            raw = inflate(rest[1:], MAX_XMP_BYTES)
        elif kind == b"iTXt":
            fields = rest[2:].split(b"\0", 2)  # language, translated keyword, text
            raw = fields[2] if len(fields) == 3 else None
            if raw is not None and rest[:1] == b"\1":
                raw = inflate(raw, MAX_XMP_BYTES)
        if raw is None or not 1 <= len(keyword) <= 79:
            continue
        yield keyword, raw if kind == b"iTXt" else raw.decode("latin-1").encode()


def _with_profile(metadata: Metadata, kind: str, raw: bytes) -> Metadata:
    match = _HEX.match(raw.decode("latin-1"))
    try:
        block = binascii.unhexlify("".join(match[1].split())) if match else b""
    except binascii.Error:
        return metadata
    if kind in ("iptc", "8bim") and block.startswith(b"8BIM") and len(block) <= MAX_PHOTOSHOP_BYTES:
        return replace(metadata, photoshop=metadata.photoshop or block)
    if kind in ("exif", "app1") and block.startswith(b"Exif\0\0"):
        return replace(metadata, exif=metadata.exif or block.removeprefix(b"Exif\0\0"))
    return metadata
