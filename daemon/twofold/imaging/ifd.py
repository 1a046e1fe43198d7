"""TIFF directories: the structure of TIFF files and of EXIF blocks, read without trusting a single offset."""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

MAX_ENTRIES = 4096
MAX_PAGES = 64
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_RATIONALS = {5: "I", 10: "i"}


class Bytes(Protocol):
    """bytes, or a mapped file."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes | bytearray: ...


class Entry(NamedTuple):
    """One tag: where the entry stands (`at`), its `length` in values, and where their bytes stand (`value_at`)."""

    tag: int
    type: int
    length: int
    at: int
    value_at: int

    @property
    def value_bytes(self) -> int:
        return TYPE_BYTES.get(self.type, 1) * self.length


class Tree(NamedTuple):
    """How to read one block: byte order ("<" or ">"), BigTIFF or not, and the first directory's offset."""

    order: str
    big: bool
    first: int


def open_tree(data: Bytes) -> Tree:
    """Read the TIFF header. Raises ValueError where it is not one."""
    mark = data[:4]
    order = {b"II": "<", b"MM": ">"}.get(bytes(mark[:2]))
    if order is None or len(data) < 8:
        raise ValueError("no TIFF header")
    magic = struct.unpack(order + "H", mark[2:4])[0]
    if magic == 42:
        return Tree(order, False, struct.unpack(order + "I", data[4:8])[0])
    if magic == 43 and len(data) >= 16:
        return Tree(order, True, struct.unpack(order + "Q", data[8:16])[0])
    raise ValueError("no TIFF header")


def read_directory(data: Bytes, tree: Tree, offset: int) -> tuple[dict[int, Entry], int]:
    """The entries by tag, and the next directory's offset (0: none). Raises ValueError where it leaves the data.

    An entry whose value leaves the data, or whose type is unknown, is left out.
    """
    head, entry_bytes, pointer = (8, 20, "Q") if tree.big else (2, 12, "I")
    end = end_of_directory(data, tree, offset)
    entries: dict[int, Entry] = {}
    for at in range(offset + head, end, entry_bytes):
        entry = _read_entry(data, tree, at, entry_bytes)
        if entry is not None:
            entries.setdefault(entry.tag, entry)
    tail = data[end : end + struct.calcsize(pointer)]
    following = struct.unpack(tree.order + pointer, tail)[0] if len(tail) == struct.calcsize(pointer) else 0
    return entries, following


def end_of_directory(data: Bytes, tree: Tree, offset: int) -> int:
    """Where the entries end, and the pointer to the next directory stands. Raises ValueError."""
    head, entry_bytes = (8, 20) if tree.big else (2, 12)
    if offset < 8 or offset + head > len(data):
        raise ValueError("a directory lies outside the data")
    count: int = struct.unpack(tree.order + ("Q" if tree.big else "H"), data[offset : offset + head])[0]
    end = offset + head + count * entry_bytes
    if count > MAX_ENTRIES or end > len(data):
        raise ValueError("a directory lies outside the data")
    return end


def _read_entry(data: Bytes, tree: Tree, at: int, entry_bytes: int) -> Entry | None:
    layout = tree.order + ("HHQ" if tree.big else "HHI")
    head = struct.calcsize(layout)
    tag, type_, count = struct.unpack(layout, data[at : at + head])
    value_bytes = TYPE_BYTES.get(type_, 0) * count
    inline_bytes = entry_bytes - head
    if type_ not in TYPE_BYTES:
        return None
    value_at = at + head
    if value_bytes > inline_bytes:
        value_at = struct.unpack(tree.order + ("Q" if tree.big else "I"), data[at + head : at + entry_bytes])[0]
    if value_at + value_bytes > len(data):
        return None
    return Entry(tag, type_, count, at, value_at)


def raw(data: Bytes, entry: Entry) -> bytes:
    return bytes(data[entry.value_at : entry.value_at + entry.value_bytes])


def integers(data: Bytes, tree: Tree, entry: Entry | None) -> tuple[int, ...]:
    """The value as integers; empty where there is none or it is of another type."""
    if entry is None or entry.type not in _INTEGERS:
        return ()
    return struct.unpack(f"{tree.order}{entry.length}{_INTEGERS[entry.type]}", raw(data, entry))


def rational(data: Bytes, tree: Tree, entry: Entry | None) -> float | None:
    """The first rational of the value, or None."""
    if entry is None or entry.type not in _RATIONALS or entry.length < 1:
        return None
    above, below = struct.unpack(tree.order + "2" + _RATIONALS[entry.type], raw(data, entry)[:8])
    return above / below if below else None
