"""TIFF files of several pages: each page read as a file of its own, and such files bound into one."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.pages import too_many
from twofold.imaging import ifd, tiff
from twofold.imaging.bound import BoundPage
from twofold.imaging.inspection import FileBytes, damaged
from twofold.imaging.probe import open_bytes
from twofold.imaging.tiff_writer import CLASSIC_TIFF_BYTES, Window

MAX_DIRECTORIES = 65_536
_SUBFILE, _PAGE = 254, 2
_SHORT, _LONG, _LONG8 = 3, 4, 16
_CHUNK_BYTES = 2**20


def _directories(data: ifd.Bytes, tree: ifd.Tree) -> Iterator[int]:
    """Offsets of the directories that are pages: reduced copies and masks are none, but for the first directory."""
    offset, seen = tree.first, set[int]()
    for _ in range(MAX_DIRECTORIES):
        if not offset or offset in seen:
            return
        seen.add(offset)
        try:
            entries, following = ifd.read_directory(data, tree, offset)
        except ValueError:
            if offset == tree.first:
                raise
            return
        kind = ifd.integers(data, tree, entries.get(_SUBFILE)) or (0,)
        if offset == tree.first or not kind[0] & 0b101:
            yield offset
        offset = following
    raise too_many(MAX_DIRECTORIES, MAX_DIRECTORIES)


def count(data: ifd.Bytes) -> int:
    """How many pages there are."""
    return sum(1 for _ in _directories(data, ifd.open_tree(data)))


def page(fd: int, number: int) -> FileBytes:
    """The file with another first directory, and no other: the map is private, and one sheet of it is copied."""
    data = open_bytes(fd)
    try:
        tree = ifd.open_tree(data)
        offset = next((at for index, at in enumerate(_directories(data, tree)) if index == number), None)
        if offset is None:
            raise ValueError(f"it has no page {number + 1}")
        pointer = tree.order + ("Q" if tree.big else "I")
        end = ifd.end_of_directory(data, tree, offset)
    except ValueError as error:
        raise damaged(str(error)) from None
    view = mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    struct.pack_into(pointer, view, 8 if tree.big else 4, offset)
    if end + struct.calcsize(pointer) <= len(view):
        struct.pack_into(pointer, view, end, 0)
    return view


def bind(_source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage]) -> int:
    """Write the pages' files, one after the other in `stack_fd`, as one: their pixels stay compressed as they are."""
    join(stack_fd, result_fd, pages, big=sum(page.size for page in pages) > CLASSIC_TIFF_BYTES)
    return 0


def join(stack_fd: int, result_fd: int, pages: Sequence[BoundPage], *, big: bool) -> None:
    """The same, as BigTIFF or not."""
    head, entry_bytes, pointer = (8, 20, "Q") if big else (2, 12, "I")
    order = ifd.open_tree(Window(stack_fd, pages[0].size, pages[0].offset)).order
    mark = {"<": b"II", ">": b"MM"}[order]
    start = struct.pack(order + "3HQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)
    os.pwrite(result_fd, mark + start, 0)
    at, pointer_at = (16, 8) if big else (8, 4)
    for bound in pages:
        window = Window(stack_fd, bound.size, bound.offset)
        tree = ifd.open_tree(window)
        if tree.order != order:
            raise TwofoldError(Code.CODEC_FAILED, "The pages of one TIFF were written in two byte orders.")
        directory, at = _moved(window, tree, result_fd, at, big=big)
        at += at & 1
        os.pwrite(result_fd, tiff.pack(order, directory, at, big=big), at)
        os.pwrite(result_fd, struct.pack(order + pointer, at), pointer_at)
        pointer_at = at + head + len(directory) * entry_bytes
        at = os.fstat(result_fd).st_size


def _moved(window: Window, tree: ifd.Tree, result_fd: int, at: int, *, big: bool) -> tuple[tiff.Directory, int]:
    """The page's pixels copied to offset `at`, and its directory, which says so; also where they end."""
    entries, _ = ifd.read_directory(window, tree, tree.first)
    starts = ifd.integers(window, tree, entries[tiff.STRIPS])
    lengths = ifd.integers(window, tree, entries[tiff.STRIP_BYTES])
    moved = []
    for start, length in zip(starts, lengths, strict=True):
        moved.append(at)
        for piece in range(start, start + length, _CHUNK_BYTES):
            chunk = window[piece : min(piece + _CHUNK_BYTES, start + length)]
            os.pwrite(result_fd, chunk, at)
            at += len(chunk)
    directory = tiff.whole_directory(window, tree, entries)
    kind, code = (_LONG8, "Q") if big else (_LONG, "I")
    for tag, values in ((tiff.STRIPS, moved), (tiff.STRIP_BYTES, lengths)):
        packed = struct.pack(f"{tree.order}{len(values)}{code}", *values)
        directory[tag] = tiff.Value(kind, len(values), packed)
    directory[_SUBFILE] = tiff.Value(_LONG, 1, struct.pack(tree.order + "I", _PAGE))
    return directory, at


def review(_source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage]) -> None:
    """Read each page by libvips and compare it with its own file, row by row. Raises ValueError where one differs."""
    from twofold.imaging.verify import tiff_rows

    data = open_bytes(result_fd)
    if count(data) != len(pages):
        raise ValueError(f"it has {count(data)} pages, not {len(pages)}")
    for number, bound in enumerate(pages):
        alone = Window(stack_fd, bound.size, bound.offset)[0 : bound.size]
        same = zip(tiff_rows(data, number), tiff_rows(alone, 0), strict=True)
        if not all(one.shape == other.shape and bool((one == other).all()) for one, other in same):
            raise ValueError(f"page {number + 1} reads otherwise")
