"""EXIF blocks: read the orientation, and correct in place what no longer holds for an enlarged upright picture.

Editing in place keeps every other byte where it was, so that maker notes with absolute offsets stay readable.
"""

from __future__ import annotations

import struct

from twofold.core.geometry import Size
from twofold.imaging import ifd

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
_IMAGE_WIDTH, _IMAGE_LENGTH = 0x0100, 0x0101
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_RELATED_WIDTH, _RELATED_LENGTH = 0x1001, 0x1002
_INTEROP_IFD = 0xA005
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202


def orientation(exif: bytes | None) -> int:
    """The orientation 1-8; 1 where there is none, or junk."""
    if exif is None:
        return 1
    try:
        tree = ifd.open_tree(exif)
        entries, _ = ifd.read_directory(exif, tree, tree.first)
    except ValueError:
        return 1
    return valid_orientation(ifd.integers(exif, tree, entries.get(ORIENTATION)))


def valid_orientation(values: tuple[int, ...]) -> int:
    return values[0] if values and 1 <= values[0] <= 8 else 1


def retarget(exif: bytes, size: Size) -> bytes:
    """The block for an upright picture of `size`: orientation 1, sizes corrected, thumbnail (IFD1) erased.

    Raises ValueError where the block cannot be read.
    """
    tree = ifd.open_tree(exif)
    if tree.big:
        raise ValueError("an EXIF block cannot be a BigTIFF")
    data = bytearray(exif)
    root, thumbnail = ifd.read_directory(exif, tree, tree.first)
    _set(data, tree, root.get(ORIENTATION), 1)
    _set(data, tree, root.get(_IMAGE_WIDTH), size.width)
    _set(data, tree, root.get(_IMAGE_LENGTH), size.height)
    camera = _child(exif, tree, root.get(EXIF_IFD))
    _set(data, tree, camera.get(_PIXEL_X), size.width)
    _set(data, tree, camera.get(_PIXEL_Y), size.height)
    interop = _child(exif, tree, camera.get(_INTEROP_IFD))
    _set(data, tree, interop.get(_RELATED_WIDTH), size.width)
    _set(data, tree, interop.get(_RELATED_LENGTH), size.height)
    if thumbnail:
        return _without_thumbnail(data, tree, thumbnail)
    return bytes(data)


def _child(exif: bytes, tree: ifd.Tree, pointer: ifd.Entry | None) -> dict[int, ifd.Entry]:
    offsets = ifd.integers(exif, tree, pointer)
    if not offsets:
        return {}
    try:
        return ifd.read_directory(exif, tree, offsets[0])[0]
    except ValueError:
        return {}


def _set(data: bytearray, tree: ifd.Tree, entry: ifd.Entry | None, value: int) -> None:
    """Write one integer into an entry that exists; a SHORT that is too small becomes a LONG in the same four bytes."""
    if entry is None or entry.length != 1 or entry.type not in (3, 4):
        return
    kind = 3 if entry.type == 3 and value <= 0xFFFF else 4
    struct.pack_into(tree.order + "H", data, entry.at + 2, kind)
    struct.pack_into(tree.order + ("H2x" if kind == 3 else "I"), data, entry.at + 8, value)


def _without_thumbnail(data: bytearray, tree: ifd.Tree, offset: int) -> bytes:
    """Unlink IFD1 and erase the thumbnail's bytes: it shows the old picture, uncropped and unturned perhaps."""
    count = struct.unpack_from(tree.order + "H", data, tree.first)[0]
    struct.pack_into(tree.order + "I", data, tree.first + 2 + 12 * count, 0)
    try:
        entries, _ = ifd.read_directory(bytes(data), tree, offset)
    except ValueError:
        return bytes(data)
    at = ifd.integers(data, tree, entries.get(_THUMBNAIL_AT))
    length = ifd.integers(data, tree, entries.get(_THUMBNAIL_BYTES))
    if at and length and at[0] >= 8 and data[at[0] : at[0] + 2] == b"\xff\xd8":
        end = min(at[0] + length[0], len(data))
        if end == len(data):
            del data[at[0] :]  # the usual place, at the end of the block
        else:
            data[at[0] : end] = bytes(end - at[0])
    return bytes(data)
