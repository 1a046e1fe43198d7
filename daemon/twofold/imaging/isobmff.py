"""The boxes of AVIF and HEIF files: what they say of the primary picture's samples and colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twofold.imaging.inspection import FileBytes, damaged, unsupported

MAX_BOXES = 10_000
MAX_META_BYTES = 16 * 2**20
_HIGH_BITS, _TWELVE_BITS, _MONOCHROME = 0x40, 0x20, 0x10
_PQ, _HLG = 16, 18
_SRGB_CURVES = {1, 2, 6, 13, 14, 15}  # BT.709 and its kin are shown as sRGB by all that show pictures
_UNSPECIFIED, _BT709, _P3 = 2, 1, 12


class Primary(NamedTuple):
    """The primary picture: bits per sample, whether it is grey, and colour primaries and curve by their numbers
    in ITU-T H.273, where they are named."""

    bits: int = 8
    grey: bool = False
    colours: tuple[int, int] | None = None

    @property
    def wide(self) -> bool:
        """True for Display P3. Raises UNSUPPORTED_FORMAT for what would look wrong once its numbers are lost."""
        if self.colours is None:
            return False
        primaries, curve = self.colours
        if curve in (_PQ, _HLG):
            raise unsupported("a picture of high dynamic range (PQ or HLG)")
        if primaries == _P3 and curve in _SRGB_CURVES:
            return True
        if primaries not in (_BT709, _UNSPECIFIED, 5, 6) or curve not in _SRGB_CURVES:
            raise unsupported(f"colours by number ({primaries}, {curve}) without a profile")
        return False


def primary(data: FileBytes) -> Primary:
    """Raises TwofoldError(DAMAGED, UNSUPPORTED_FORMAT)."""
    meta = next((span for kind, *span in _boxes(data, 0, len(data)) if kind == b"meta"), None)
    if meta is None or meta[1] - meta[0] > MAX_META_BYTES:
        raise damaged("its description is missing")
    body = data[meta[0] + 4 : meta[1]]
    children = {kind: body[start:end] for kind, start, end in _boxes(body, 0, len(body))}
    properties = children.get(b"iprp", b"")
    parts = {kind: properties[start:end] for kind, start, end in _boxes(properties, 0, len(properties))}
    shelf = parts.get(b"ipco", b"")
    every = [(kind, shelf[start:end]) for kind, start, end in _boxes(shelf, 0, len(shelf))]
    item = children.get(b"pitm", b"")
    wanted = int.from_bytes(item[4:6] if item[:1] == b"\0" else item[4:8], "big")
    own = [every[index - 1] for index in _associated(parts.get(b"ipma", b""), wanted) if 0 < index <= len(every)]
    coder = next((box for kind, box in (*own, *every) if kind == b"av1C"), b"")  # a grid's tiles have it
    flags = coder[2] if len(coder) > 2 else 0
    bits = 8 if not flags & _HIGH_BITS else 12 if flags & _TWELVE_BITS else 10
    named = next((box for kind, box in own if kind == b"colr" and box[:4] == b"nclx"), b"")
    colours = (int.from_bytes(named[4:6], "big"), int.from_bytes(named[6:8], "big")) if len(named) >= 8 else None
    return Primary(bits, bool(flags & _MONOCHROME), colours)


def _boxes(data: FileBytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where its body starts and ends, of each box side by side."""
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        size, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        last = end if size == 0 else at + size
        if last < start or last > end:
            raise damaged("its boxes break off")
        yield bytes(kind), start, last
        at = last
    raise damaged("it has too many boxes")


def _associated(table: bytes, item: int) -> list[int]:
    """The numbers, from 1, of an item's properties."""
    if len(table) < 8:
        return []
    id_bytes, wide = (4 if table[0] else 2), table[3] & 1
    at = 8
    for _ in range(min(int.from_bytes(table[4:8], "big"), MAX_BOXES)):
        found, count = int.from_bytes(table[at : at + id_bytes], "big"), table[at + id_bytes :][:1]
        at += id_bytes + 1
        step = 2 if wide else 1
        numbers = [int.from_bytes(table[at + step * n :][:step], "big") for n in range(ord(count or b"\0"))]
        if found == item:
            return [number & (0x7FFF if wide else 0x7F) for number in numbers]
        at += step * len(numbers)
    return []
