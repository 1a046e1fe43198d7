"""TIFF files: what their first directory says, and EXIF moved between a TIFF and an EXIF block."""

from __future__ import annotations

import struct
from typing import NamedTuple

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.picture import BUFFERED, PictureHeader
from twofold.imaging import exif, ifd, image_resources, maker_note, photoshop
from twofold.imaging.inspection import FileBytes, Inspection, damaged, unsupported, upright
from twofold.imaging.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, MAX_PHOTOSHOP_BYTES, MAX_XMP_BYTES, Metadata

ICC, XMP, IPTC, PHOTOSHOP = 34675, 700, 33723, 34377
LARGE_STRIP_BYTES = 16 * 2**20  # decoders hold a strip whole
_SUBFILE, _WIDTH, _LENGTH, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
STRIPS, STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_ROWS = 278
_SAMPLES, _X_RESOLUTION, _Y_RESOLUTION, _UNIT, _EXTRA, _FORMAT, _DNG = 277, 282, 283, 296, 338, 339, 50706
# Names, dates, people, ratings, rights, print matching: what is about the picture and not about its pixels' layout.
_DESCRIPTIVE = frozenset(
    {269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096), 50341}
)
_KINDS = {0: ("L", 1), 1: ("L", 1), 2: ("RGB", 3), 3: ("P", 1), 5: ("CMYK", 4), 6: ("YCbCr", 3), 8: ("LAB", 3)}
_SAMPLE_KINDS = {1: "integer", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_INK_SET, _CMYK_INKS, _SEPARATED = 332, 1, 5


class Value(NamedTuple):
    """A tag's value as bytes in its file's order, and where it stood there."""

    type: int
    length: int
    raw: bytes
    at: int = 0


Directory = dict[int, "Value | Directory"]
"""Values by tag; a directory below stands in the place of the pointer to it."""


def inspect(data: FileBytes) -> Inspection:
    """Read the first directory, count the pages, and check that every strip or tile lies within the file."""
    try:
        tree = ifd.open_tree(data)
        entries, following = ifd.read_directory(data, tree, tree.first)
    except ValueError as error:
        raise damaged(str(error)) from None

    def numbers(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return ifd.integers(data, tree, entries.get(tag)) or default

    if _DNG in entries or numbers(_SUBFILE, (0,))[0] & 1 or data[8:10] == b"CR":
        from twofold.imaging import raw

        return raw.inspect(data)
    width, height = numbers(_WIDTH, (0,))[0], numbers(_LENGTH, (0,))[0]
    if width <= 0 or height <= 0:
        raise damaged("its header says that it has no pixels")
    _check_pieces(numbers(STRIPS), numbers(STRIP_BYTES), numbers(_TILES), numbers(_TILE_BYTES), len(data))
    _check_nothing_hides(data, tree, entries)
    mode, alpha, depth = _kind(
        numbers(_PHOTOMETRIC, (-1,))[0],
        numbers(_SAMPLES, (1,))[0],
        numbers(_EXTRA),
        set(numbers(_BITS, (1,))),
        set(numbers(_FORMAT, (1,))),
    )
    strip_bytes = min(numbers(_ROWS, (height,))[0], height) * width * numbers(_SAMPLES, (1,))[0] * depth // 8
    turned = exif.valid_orientation(numbers(exif.ORIENTATION))
    size = upright(width, height, turned)
    metadata = Metadata(
        _block(data, entries.get(ICC), MAX_ICC_BYTES),
        exif_block(data, tree, entries),
        _block(data, entries.get(XMP), MAX_XMP_BYTES),
        _density(data, tree, entries, numbers(_UNIT, (2,))[0]),
        _captions(data, entries),
        order=tree.order,
    )
    header = PictureHeader(
        format="tiff",
        width=size.width,
        height=size.height,
        channels=1 if mode in ("1", "L", "LA", "La") else 3,
        depth=depth,
        alpha=alpha,
        frames=2 if _has_another_page(data, tree, following) else 1,
        orientation=turned,
        mode=mode,
        icc_bytes=len(metadata.icc or b""),
        lossless=True,
        signals={BUFFERED: 1.0} if numbers(STRIPS) and strip_bytes > LARGE_STRIP_BYTES else {},
    )
    return Inspection(header, metadata)


def _check_nothing_hides(data: FileBytes, tree: ifd.Tree, entries: dict[int, ifd.Entry]) -> None:
    """Refuse a file that holds more than one raster can, rather than lose it."""
    if photoshop.has_layers(data, tree, entries.get(photoshop.LAYERS)):
        raise _needs("a TIFF with Photoshop layers", "Flatten it, and save it as a copy.")
    resources = _block(data, entries.get(PHOTOSHOP), MAX_PHOTOSHOP_BYTES) or b""
    kinds = photoshop.extra_kinds(resources)
    colours, samples, inks = (
        (ifd.integers(data, tree, entries.get(tag)) or (default,))[0]
        for tag, default in ((_PHOTOMETRIC, -1), (_SAMPLES, 1), (_INK_SET, _CMYK_INKS))
    )
    separated = colours == _SEPARATED and (inks != _CMYK_INKS or (samples > 4 and not kinds))
    if photoshop.SPOT in kinds or separated:
        raise _needs("a TIFF with spot colours", "Merge them, or convert it to RGB, and save it as a copy.")


def _needs(text: str, hint: str) -> TwofoldError:
    return TwofoldError(Code.UNSUPPORTED_FORMAT, f"This kind of picture is not supported: {text}.", hint)


def _check_pieces(
    strips: tuple[int, ...], strip_bytes: tuple[int, ...], tiles: tuple[int, ...], tile_bytes: tuple[int, ...], end: int
) -> None:
    starts, lengths = (strips, strip_bytes) if strips else (tiles, tile_bytes)
    if not starts or len(starts) != len(lengths):
        raise damaged("it has no pixels")
    if any(start + length > end for start, length in zip(starts, lengths, strict=True)):
        raise damaged("its pixels lie beyond its end")


def _kind(
    photometric: int, samples: int, extra: tuple[int, ...], bits: set[int], formats: set[int]
) -> tuple[str, bool, int]:
    """Mode, alpha and depth. "La" and "RGBa" name alpha multiplied into the colours; libvips divides it out."""
    if photometric not in _KINDS:
        raise unsupported(f"a TIFF of photometric kind {photometric}")
    if formats != {1} or len(bits) != 1 or not bits <= {1, 2, 4, 8, 16}:
        raise _needs(
            f"a TIFF with {_SAMPLE_KINDS.get(max(formats), 'unknown')} samples of {max(bits)} bits",
            "Save a copy of it with 8 or 16 bits.",
        )
    mode, colours = _KINDS[photometric]
    if samples < colours:
        raise damaged("it has too few samples")
    depth = 16 if bits == {16} and mode != "P" else 8
    # An extra sample of unspecified meaning is a saved selection, not transparency.
    alpha = mode in ("L", "RGB") and samples > colours and extra[:1] in ((_ASSOCIATED,), (_UNASSOCIATED,))
    if alpha:
        mode += "a" if extra[0] == _ASSOCIATED else "A"
    elif mode == "L" and bits == {1}:
        mode = "1"
    return mode, alpha, depth


def _has_another_page(data: FileBytes, tree: ifd.Tree, offset: int) -> bool:
    """True where a further directory is a page: a reduced copy or a mask (NewSubfileType) is none."""
    seen = {tree.first}
    for _ in range(ifd.MAX_PAGES):
        if not offset or offset in seen:
            return False
        seen.add(offset)
        try:
            entries, following = ifd.read_directory(data, tree, offset)
        except ValueError:
            return False
        kind = ifd.integers(data, tree, entries.get(_SUBFILE)) or (0,)
        if not kind[0] & 0b101:
            return True
        offset = following
    return True


def _block(data: FileBytes, entry: ifd.Entry | None, limit_bytes: int) -> bytes | None:
    return ifd.raw(data, entry) or None if entry is not None and entry.value_bytes <= limit_bytes else None


def _captions(data: FileBytes, entries: dict[int, ifd.Entry]) -> bytes | None:
    """Photoshop's resources; IPTC captions that stand beside them are put in."""
    resources = _block(data, entries.get(PHOTOSHOP), MAX_PHOTOSHOP_BYTES)
    captions = _block(data, entries.get(IPTC), MAX_PHOTOSHOP_BYTES)
    return resources if captions is None else image_resources.with_iptc(resources, captions)


def _density(data: FileBytes, tree: ifd.Tree, entries: dict[int, ifd.Entry], unit: int) -> tuple[float, float] | None:
    x = ifd.rational(data, tree, entries.get(_X_RESOLUTION))
    y = ifd.rational(data, tree, entries.get(_Y_RESOLUTION))
    if not x or not y or unit not in (2, 3):
        return None
    return (x, y) if unit == 2 else (x * 2.54, y * 2.54)


def exif_block(data: FileBytes, tree: ifd.Tree, entries: dict[int, ifd.Entry]) -> bytes | None:
    """The picture's description as an EXIF block of its own, or None where there is none."""
    root = _described(data, tree, entries)
    if not root:
        return None
    start = {"<": b"II*\0", ">": b"MM\0*"}[tree.order] + struct.pack(tree.order + "I", 8)
    block = start + pack(tree.order, root, 8)
    return block if len(block) <= MAX_EXIF_BYTES else None


def described_by(block: bytes) -> tuple[str, Directory]:
    """Byte order, and the descriptive tags of an EXIF block with the directories below. Raises ValueError."""
    tree = ifd.open_tree(block)
    entries, _ = ifd.read_directory(block, tree, tree.first)
    return tree.order, _described(block, tree, entries)


def _described(data: ifd.Bytes, tree: ifd.Tree, entries: dict[int, ifd.Entry]) -> Directory:
    root: Directory = {tag: value for tag, value in _values(data, entries).items() if tag in _DESCRIPTIVE}
    camera = _below(data, tree, entries.get(exif.EXIF_IFD))
    if camera:
        interop = _below(data, tree, _entries_at(data, tree, entries.get(exif.EXIF_IFD)).get(exif.INTEROP_IFD))
        camera.pop(exif.INTEROP_IFD, None)
        root[exif.EXIF_IFD] = camera | ({exif.INTEROP_IFD: interop} if interop else {})
    places = _below(data, tree, entries.get(exif.GPS_IFD))
    return root | ({exif.GPS_IFD: places} if places else {})


def whole_directory(data: ifd.Bytes, tree: ifd.Tree, entries: dict[int, ifd.Entry]) -> Directory:
    """Every value of a directory with the EXIF and GPS directories below, to be packed elsewhere."""
    below = {tag: value for tag, value in _described(data, tree, entries).items() if isinstance(value, dict)}
    own = {tag: value for tag, value in _values(data, entries).items() if tag not in (exif.EXIF_IFD, exif.GPS_IFD)}
    return own | below


def _entries_at(data: ifd.Bytes, tree: ifd.Tree, pointer: ifd.Entry | None) -> dict[int, ifd.Entry]:
    offsets = ifd.integers(data, tree, pointer)
    try:
        return ifd.read_directory(data, tree, offsets[0])[0] if offsets else {}
    except ValueError:
        return {}


def _below(data: ifd.Bytes, tree: ifd.Tree, pointer: ifd.Entry | None) -> Directory:
    return dict(_values(data, _entries_at(data, tree, pointer)))


def _values(data: ifd.Bytes, entries: dict[int, ifd.Entry]) -> dict[int, Value]:
    return {
        tag: Value(entry.type, entry.length, ifd.raw(data, entry), entry.value_at)
        for tag, entry in entries.items()
        if entry.value_bytes <= MAX_EXIF_BYTES and entry.type <= 12
    }


def pack(order: str, directory: Directory, at: int, *, big: bool = False) -> bytes:
    """A directory, its values and the directories below, as bytes that will stand at offset `at` (even)."""
    head, entry, pointer = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    room = struct.calcsize(pointer)
    value_at = at + struct.calcsize("=" + head) + (struct.calcsize("=" + entry) + room) * len(directory) + room
    table = [struct.pack(order + head, len(directory))]
    behind: list[bytes] = []
    for tag, value in sorted(directory.items()):
        if isinstance(value, dict):
            type_, length, raw = 16 if big else 4, 1, pack(order, value, value_at, big=big)
            inline = False
        else:
            type_, length, raw = value.type, value.length, value.raw
            inline = len(raw) <= room
            if tag == exif.MAKER_NOTE:
                raw = maker_note.moved(raw, order, value.at, value_at)
        table.append(struct.pack(order + entry, tag, type_, length))
        table.append(raw.ljust(room, b"\0") if inline else struct.pack(order + pointer, value_at))
        if not inline:
            behind.append(raw + b"\0" * (len(raw) & 1))
            value_at += len(behind[-1])
    return b"".join([*table, bytes(room), *behind])
