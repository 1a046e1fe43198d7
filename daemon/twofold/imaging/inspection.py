"""What a file is, by its content: the format by its first bytes, then header, metadata and completeness."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import NamedTuple

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.picture import PictureHeader
from twofold.imaging import exif
from twofold.imaging.metadata import Metadata, is_own_result

_MODULES = {
    "jpeg": "jpeg",
    "png": "png",
    "webp": "webp",
    "tiff": "tiff",
    "gif": "pillow_formats",
    "bmp": "pillow_formats",
    "avif": "avif",
    "jxl": "jxl",
    "heic": "heic",
    "raw": "raw",
}
_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"MMOR", "raw"),
    (b"IIU\0", "raw"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"\0MRM", "raw"),
)
_BRANDS = (  # of ISO media files, the most telling first: "mif1" stands in AVIFs too
    ({b"crx "}, "raw"),
    ({b"avif", b"avis"}, "avif"),
    ({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}, "heic"),
)
_KNOWN_BUT_UNREAD = (
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"v/1\x01", "OpenEXR"),
)


class Inspection(NamedTuple):
    """What the container says; nothing was decoded."""

    header: PictureHeader
    metadata: Metadata


FileBytes = bytes | mmap.mmap

_FTYP_BYTES = 256  # looked at: real ones have a handful of brands


def sniff(data: FileBytes) -> str:
    """The format by content, from an allow-list. Raises EMPTY, UNSUPPORTED_FORMAT, NOT_A_PICTURE."""
    if len(data) == 0:
        raise TwofoldError(Code.EMPTY, "The file has no bytes.")
    start = data[:16]
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    found = brands(data)
    for some, name in _BRANDS:
        if found & some:
            return name
    for signature, name in _KNOWN_BUT_UNREAD:
        if start.startswith(signature):
            raise TwofoldError(Code.UNSUPPORTED_FORMAT, f"{name} pictures are not supported.")
    raise TwofoldError(Code.NOT_A_PICTURE, "The content is not a picture of a known format.")


def is_archive(data: FileBytes) -> bool:
    """Whether it is a zip, empty ones included; other programs' files are zips too."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def brands(data: FileBytes) -> frozenset[bytes]:
    """The brands in the first box of an ISO media file (AVIF, HEIF, CR3, films); empty for all other files."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), _FTYP_BYTES)
    return frozenset(bytes(data[at : at + 4]) for at in (8, *range(16, end - 3, 4)))


def inspect(data: FileBytes) -> Inspection:
    """Header, metadata and completeness of a whole file.

    Raises TwofoldError(EMPTY, NOT_A_PICTURE, UNSUPPORTED_FORMAT, DAMAGED).
    """
    # Imported by need: a child that meets a JPEG starts without the rest.
    module = import_module(f"twofold.imaging.{_MODULES[sniff(data)]}")
    read: Callable[[FileBytes], Inspection] = module.inspect
    header, metadata = read(data)
    return Inspection(replace(header, own=is_own_result(metadata), taken=exif.taken(metadata.exif)), metadata)


def damaged(text: str) -> TwofoldError:
    return TwofoldError(Code.DAMAGED, f"The picture is damaged or incomplete: {text}.")


def unsupported(text: str) -> TwofoldError:
    return TwofoldError(Code.UNSUPPORTED_FORMAT, f"This kind of picture is not supported: {text}.")


def upright(width: int, height: int, orientation: int) -> Size:
    """The size after the orientation was applied; 5-8 exchange the axes."""
    return Size(height, width) if orientation >= 5 else Size(width, height)
