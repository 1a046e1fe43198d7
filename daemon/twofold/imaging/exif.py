"""EXIF blocks: read the orientation, and correct in place what no longer holds for an enlarged upright picture.

Editing in place keeps every other byte where it was, so that maker notes with absolute offsets stay readable.
"""

from __future__ import annotations

import struct
from fractions import Fraction

from twofold.core.geometry import turned_point
from twofold.imaging import ifd
from twofold.imaging.change import Change

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
MAKER_NOTE = 0x927C
_IMAGE_WIDTH, _IMAGE_LENGTH = 0x0100, 0x0101
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_RELATED_WIDTH, _RELATED_LENGTH = 0x1001, 0x1002
_FOCAL_PLANE_X, _FOCAL_PLANE_Y = 0xA20E, 0xA20F
_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214
_TAKEN, _DIGITISED = 0x9003, 0x9004
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202
_STRIPS, _STRIP_BYTES = 0x0111, 0x0117
_SHORT, _LONG = 3, 4
_UNITS_MM = {2: 25.4, 3: 10.0}


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


def taken(exif: bytes | None) -> str:
    """When the picture was taken, as the camera wrote it ("2019:07:20 21:17:40"); empty where it does not say."""
    if exif is None:
        return ""
    try:
        tree = ifd.open_tree(exif)
        camera = _child(exif, tree, ifd.read_directory(exif, tree, tree.first)[0].get(EXIF_IFD))
    except ValueError:
        return ""
    for tag in (_TAKEN, _DIGITISED):
        entry = camera.get(tag)
        if entry is not None and entry.type == 2 and entry.value_bytes <= 32:
            return ifd.raw(exif, entry).rstrip(b"\0 ").decode("latin-1")
    return ""


def resolution(exif: bytes | None) -> tuple[float, float] | None:
    """Pixels per inch (x, y), or None."""
    if exif is None:
        return None
    try:
        tree = ifd.open_tree(exif)
        entries, _ = ifd.read_directory(exif, tree, tree.first)
    except ValueError:
        return None
    x = ifd.rational(exif, tree, entries.get(_X_RESOLUTION))
    y = ifd.rational(exif, tree, entries.get(_Y_RESOLUTION))
    unit = (ifd.integers(exif, tree, entries.get(_RESOLUTION_UNIT)) or (2,))[0]
    if not x or not y or unit not in _UNITS_MM:
        return None
    return x * 25.4 / _UNITS_MM[unit], y * 25.4 / _UNITS_MM[unit]


def resolution_block(dpi: tuple[float, float]) -> bytes:
    """A block that says nothing but pixels per inch."""
    x, y = (Fraction(min(value, 2.0**31)).limit_denominator(100) for value in dpi)
    at = 8 + 2 + 3 * 12 + 4
    entries = struct.pack("<HHII", _X_RESOLUTION, 5, 1, at) + struct.pack("<HHII", _Y_RESOLUTION, 5, 1, at + 8)
    entries += struct.pack("<HHIHH", _RESOLUTION_UNIT, _SHORT, 1, 2, 0)
    values = struct.pack("<4I", x.numerator, x.denominator, y.numerator, y.denominator)
    return b"II*\0" + struct.pack("<IH", 8, 3) + entries + bytes(4) + values


def has_thumbnail(exif: bytes | None) -> bool:
    """Whether the block has a place for the picture in small."""
    try:
        return exif is not None and {_THUMBNAIL_AT, _THUMBNAIL_BYTES} <= _opened(exif)[1].keys()
    except ValueError:
        return False


def retarget(exif: bytes, change: Change, thumbnail: bytes | None = None) -> bytes:
    """The block for the result of `change`: upright, sizes and places corrected, its thumbnail replaced or erased.

    `thumbnail` is a small JPEG of the result; it is put in only where there was one. Raises ValueError where the block
    cannot be read.
    """
    tree, second = _opened(exif)
    data = bytearray(exif)
    size, (across, down) = change.after, change.factors
    root, _ = ifd.read_directory(exif, tree, tree.first)
    camera = _child(exif, tree, root.get(EXIF_IFD))
    interop = _child(exif, tree, camera.get(INTEROP_IFD))
    for entries in (root, second):
        _set(data, tree, entries.get(ORIENTATION), 1)
    for entries, wide, high in (
        (root, _IMAGE_WIDTH, _IMAGE_LENGTH),
        (camera, _PIXEL_X, _PIXEL_Y),
        (interop, _RELATED_WIDTH, _RELATED_LENGTH),
    ):
        _set(data, tree, entries.get(wide), size.width)
        _set(data, tree, entries.get(high), size.height)
    _correct_focal_plane(data, tree, camera, change)
    for tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
        _move_subject(data, tree, camera.get(tag), change)
    if change.wishes.dpi == "scale":
        _multiply(data, tree, root.get(_X_RESOLUTION), across)
        _multiply(data, tree, root.get(_Y_RESOLUTION), down)
    if second:
        data = _with_thumbnail(data, tree, second, thumbnail)
    if change.wishes.strip == "gps":  # last: it moves the root's entries
        _remove_places(data, tree, root)
    return bytes(data)


def without_thumbnail(exif: bytes) -> bytes:
    """The block without its second directory. Raises ValueError."""
    tree, second = _opened(exif)
    return bytes(_with_thumbnail(bytearray(exif), tree, second, None)) if second else exif


def without_maker_note(exif: bytes) -> bytes:
    """The block with its maker note cut out where that stands last, else blanked. Raises ValueError."""
    tree, _ = _opened(exif)
    data = bytearray(exif)
    root, _ = ifd.read_directory(exif, tree, tree.first)
    pointer = ifd.integers(exif, tree, root.get(EXIF_IFD))
    note = _child(exif, tree, root.get(EXIF_IFD)).get(MAKER_NOTE)
    if note is None or not pointer:
        return exif
    end = note.value_at + note.value_bytes
    if end >= len(data) - 1:
        del data[note.value_at :]
    else:
        data[note.value_at : end] = bytes(note.value_bytes)
    _remove_entry(data, tree, pointer[0], note)
    return bytes(data)


def _opened(exif: bytes) -> tuple[ifd.Tree, dict[int, ifd.Entry]]:
    """The block's tree, and the directory of its thumbnail (empty where there is none that can be read)."""
    tree = ifd.open_tree(exif)
    if tree.big:
        raise ValueError("an EXIF block cannot be a BigTIFF")
    _, following = ifd.read_directory(exif, tree, tree.first)
    try:
        return tree, ifd.read_directory(exif, tree, following)[0] if following else {}
    except ValueError:
        return tree, {}


def _child(exif: ifd.Bytes, tree: ifd.Tree, pointer: ifd.Entry | None) -> dict[int, ifd.Entry]:
    offsets = ifd.integers(exif, tree, pointer)
    if not offsets:
        return {}
    try:
        return ifd.read_directory(exif, tree, offsets[0])[0]
    except ValueError:
        return {}


def _set(data: bytearray, tree: ifd.Tree, entry: ifd.Entry | None, value: int) -> None:
    """Write one integer into an entry that exists; a SHORT that is too small becomes a LONG in the same four bytes."""
    if entry is None or entry.length != 1 or entry.type not in (_SHORT, _LONG):
        return
    kind = _SHORT if entry.type == _SHORT and value <= 0xFFFF else _LONG
    struct.pack_into(tree.order + "H", data, entry.at + 2, kind)
    struct.pack_into(tree.order + ("H2x" if kind == _SHORT else "I"), data, entry.at + 8, value)


def _multiply(data: bytearray, tree: ifd.Tree, entry: ifd.Entry | None, factor: Fraction) -> None:
    """Multiply an unsigned rational; exact where it fits."""
    if entry is None or entry.type != 5 or entry.length != 1:
        return
    above, below = struct.unpack_from(tree.order + "II", data, entry.value_at)
    if above and below:
        value = Fraction(above, below) * factor
        if max(value.numerator, value.denominator) >= 2**32:
            value = value.limit_denominator(10**4)
        if value.numerator < 2**32:
            struct.pack_into(tree.order + "II", data, entry.value_at, value.numerator, value.denominator)


def _correct_focal_plane(data: bytearray, tree: ifd.Tree, camera: dict[int, ifd.Entry], change: Change) -> None:
    """Pixels per millimetre of sensor: more of them now, and the other way round where the picture was turned."""
    across, down = change.factors
    x, y = camera.get(_FOCAL_PLANE_X), camera.get(_FOCAL_PLANE_Y)
    if x is None or y is None or x.type != 5 or y.type != 5 or x.length != 1 or y.length != 1:
        return
    if change.orientation >= 5:
        width, height = ifd.raw(data, x), ifd.raw(data, y)
        data[x.value_at : x.value_at + 8], data[y.value_at : y.value_at + 8] = height, width
    _multiply(data, tree, x, across)
    _multiply(data, tree, y, down)


def _move_subject(data: bytearray, tree: ifd.Tree, entry: ifd.Entry | None, change: Change) -> None:
    """A point, circle (x, y, diameter) or rectangle (centre, width, height), in pixels as stored."""
    if entry is None or entry.type != _SHORT or not 2 <= entry.length <= 4:
        return
    values = ifd.integers(data, tree, entry)
    stored, (across, down) = change.stored, change.factors
    x, y = turned_point(values[0] / stored.width, values[1] / stored.height, change.orientation)
    sides = values[2:]
    if len(sides) == 2 and change.orientation >= 5:
        sides = sides[::-1]
    scaled = [x * change.after.width, y * change.after.height]
    scaled += [side * float(factor) for side, factor in zip(sides, (across, down), strict=False)]
    written = [min(max(round(value), 0), 0xFFFF) for value in scaled]
    struct.pack_into(f"{tree.order}{len(written)}H", data, entry.value_at, *written)


def _thumbnail(data: ifd.Bytes, tree: ifd.Tree, second: dict[int, ifd.Entry]) -> tuple[int, int] | None:
    """Where the small JPEG begins and ends."""
    at = ifd.integers(data, tree, second.get(_THUMBNAIL_AT))
    length = ifd.integers(data, tree, second.get(_THUMBNAIL_BYTES))
    if not at or not length or at[0] < 8 or data[at[0] : at[0] + 2] != b"\xff\xd8":
        return None
    return at[0], min(at[0] + length[0], len(data))


def _with_thumbnail(
    data: bytearray, tree: ifd.Tree, second: dict[int, ifd.Entry], thumbnail: bytes | None
) -> bytearray:
    """The block with another thumbnail, or none: the old one shows the old picture, and unturned perhaps."""
    place = _thumbnail(data, tree, second)
    if place is not None:
        if place[1] >= len(data) - 1:
            del data[place[0] :]  # the usual place, at the end of the block
        else:
            data[place[0] : place[1]] = bytes(place[1] - place[0])
    if thumbnail is None:
        # Unlinked, as are uncompressed ones.
        count = struct.unpack_from(tree.order + "H", data, tree.first)[0]
        struct.pack_into(tree.order + "I", data, tree.first + 2 + 12 * count, 0)
        return data
    data += b"\0" * (len(data) & 1)
    _set(data, tree, second[_THUMBNAIL_AT], len(data))
    _set(data, tree, second[_THUMBNAIL_BYTES], len(thumbnail))
    return data + thumbnail


def _remove_places(data: bytearray, tree: ifd.Tree, root: dict[int, ifd.Entry]) -> None:
    pointer = root.get(GPS_IFD)
    if pointer is None:
        return
    for entry in _child(data, tree, pointer).values():
        data[entry.value_at : entry.value_at + entry.value_bytes] = bytes(entry.value_bytes)
        data[entry.at : entry.at + 12] = bytes(12)
    _remove_entry(data, tree, tree.first, pointer)


def _remove_entry(data: bytearray, tree: ifd.Tree, directory: int, entry: ifd.Entry) -> None:
    """Take one entry out of a directory: those behind it, and the link to the next, move up."""
    count = struct.unpack_from(tree.order + "H", data, directory)[0]
    end = directory + 2 + 12 * count + 4
    data[entry.at : end] = data[entry.at + 12 : end] + bytes(12)
    struct.pack_into(tree.order + "H", data, directory, count - 1)
