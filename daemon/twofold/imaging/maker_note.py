"""Maker notes: cameras' own directories inside of EXIF, which break when they move unless their offsets move along.

Nobody documents them. Those that count from their own start are left alone; those that count from the start of the
file are known by their offsets, which point into the note itself.
"""

from __future__ import annotations

import struct

from twofold.imaging import ifd

MAX_DEPTH = 3
# Where the directory begins behind the maker's mark; any other note begins with it at once, or is left alone.
_HEADS = {
    b"OLYMP\0": 8,
    b"EPSON\0": 8,
    b"MINOL\0": 8,
    b"SANYO\0": 8,
    b"AGFA": 8,
    b"Nikon\0\x01": 8,
    b"SONY": 12,
    b"Panasonic\0": 12,
    b"SIGMA\0": 10,
    b"FOVEON\0": 10,
    b"AOC\0": 6,
    b"QVC\0": 6,
    b"JVC ": 4,
    b"Ricoh": 8,
    b"RICOH": 8,
}
_SUB_DIRECTORY = 13
_OLYMPUS_DIRECTORIES = frozenset({0x2010, 0x2020, 0x2030, 0x2031, 0x2040, 0x2050, 0x3000})  # written as plain bytes
_FOOTERS = (b"II*\0", b"MM\0*")  # Canon's: where the note once stood


def moved(note: bytes, order: str, old_at: int, new_at: int) -> bytes:
    """The note as it has to be at `new_at` where it was at `old_at`; `order` is the block's ("<" or ">")."""
    delta = new_at - old_at
    if not delta:
        return note
    start = next((length for mark, length in _HEADS.items() if note.startswith(mark)), 0)
    data = bytearray(note)
    for tried in (order, "<" if order == ">" else ">"):
        places = _absolute(note, tried, start, old_at)
        if places:
            for at in places:
                value = struct.unpack_from(tried + "I", note, at)[0] + delta
                if not 0 <= value < 2**32:
                    return note
                struct.pack_into(tried + "I", data, at, value)
            break
    if note[-8:-4] in _FOOTERS and len(note) >= 8:
        footer = "<" if note[-8:-4] == _FOOTERS[0] else ">"
        if struct.unpack(footer + "I", note[-4:])[0] == old_at and new_at < 2**32:
            struct.pack_into(footer + "I", data, len(data) - 4, new_at)
    return bytes(data)


def _absolute(note: bytes, order: str, start: int, old_at: int, depth: int = 0) -> list[int]:
    """Where in the note offsets stand that count from the file's start; [] where it is not of that kind."""
    if depth >= MAX_DEPTH or start + 2 > len(note):
        return []
    count = struct.unpack_from(order + "H", note, start)[0]
    if not 0 < count <= ifd.MAX_ENTRIES or start + 2 + 12 * count > len(note):
        return []
    inside: list[int] = []
    outside = 0
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, type_, length, offset = struct.unpack_from(order + "HHII", note, at)
        value_bytes = ifd.TYPE_BYTES.get(type_, 0) * length
        within = old_at <= offset and offset + value_bytes <= old_at + len(note)
        if type_ == _SUB_DIRECTORY and length == 1 and within:
            inside.append(at + 8)
            inside += _absolute(note, order, offset - old_at, old_at, depth + 1)
        elif value_bytes > 4 and within:
            inside.append(at + 8)
            if tag in _OLYMPUS_DIRECTORIES and note.startswith(b"OLYMP\0"):
                inside += _absolute(note, order, offset - old_at, old_at, depth + 1)
        elif value_bytes > 4:
            outside += 1
    return inside if len(inside) > outside else []
