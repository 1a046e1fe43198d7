"""Comic archives written: finished pages in the places of the source's, everything else byte for byte.

By hand, since zipfile can neither copy what is packed as it is nor keep a name that is not UTF-8.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from twofold.core.formats import FORMATS
from twofold.core.naming import page_names
from twofold.imaging import archive
from twofold.imaging.archive import Entry
from twofold.imaging.bound import BoundPage
from twofold.imaging.inspection import inspect
from twofold.imaging.tiff_writer import Window

STORED, DEFLATED = 0, 8
LEVEL = 6
_CHUNK_BYTES = 2**20
_DESCRIPTOR = 0x8  # sizes behind the data: here they stand before it
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
_END64, _LOCATOR64 = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
_BEYOND = 0xFFFFFFFF
_ZIP64, _UNICODE_NAME = 0x0001, 0x7075
_ZIP64_VERSION = 45


class _Written(NamedTuple):
    """An entry of the result, and where it stands there."""

    entry: Entry
    name: bytes
    method: int
    flags: int
    crc: int
    packed_bytes: int
    size_bytes: int
    offset: int


def bind(source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage]) -> int:
    """Write the archive from the start of `result_fd`; the pages' files stand in `stack_fd`.

    Returns how many pages stay as they are, for whatever reason.
    """
    made = {page.number: page for page in pages if not page.copied}
    with archive.opened(source_fd) as source:
        found = archive.entries(source)
        written, at, left = [], 0, 0
        for entry, name in zip(found, _names(found, made), strict=True):
            page = made.get(entry.number)
            if page is None:
                one = _copied(source_fd, entry, result_fd, at)
                left += archive.kind_of(source, entry) is not None
            else:
                one = _packed(entry, name, Window(stack_fd, page.size, page.offset), result_fd, at)
            written.append(one)
            at = one.offset + len(_local(one, source_fd)) + one.packed_bytes
        _finish(written, source.comment, result_fd, at)
    return left


def _names(found: Sequence[Entry], made: Mapping[int, BoundPage]) -> list[bytes]:
    # A page that keeps its format keeps its name, even where that is wrong.
    changed = {number: FORMATS[page.format] for number, page in made.items() if page.format != page.source_format}
    return page_names([entry.name for entry in found], changed)


def _copied(source_fd: int, entry: Entry, result_fd: int, at: int) -> _Written:
    info = entry.info
    flags = info.flag_bits & ~_DESCRIPTOR
    one = _Written(entry, entry.name, info.compress_type, flags, info.CRC, info.compress_size, info.file_size, at)
    at += os.pwrite(result_fd, _local(one, source_fd), at)
    for chunk in _packed_bytes(source_fd, entry):
        at += os.pwrite(result_fd, chunk, at)
    return one


def _packed_bytes(source_fd: int, entry: Entry) -> Iterator[bytes]:
    """What the source holds of an entry, still packed. Raises ValueError where it ends early."""
    start = entry.info.header_offset
    head = os.pread(source_fd, _LOCAL.size, start)
    name_bytes, extra_bytes = struct.unpack("<2H", head[26:30])
    start += _LOCAL.size + name_bytes + extra_bytes
    end = start + entry.info.compress_size
    while start < end:
        chunk = os.pread(source_fd, min(_CHUNK_BYTES, end - start), start)
        if not chunk:
            raise ValueError(f"the entry {entry.name!r} ends early")
        start += len(chunk)
        yield chunk


def _packed(entry: Entry, name: bytes, data: Window, result_fd: int, at: int) -> _Written:
    """A page, packed as the source's entry was; its size is known when it is written, so its head comes last."""
    method = DEFLATED if entry.info.compress_type == DEFLATED else STORED
    flags = entry.info.flag_bits & archive.UTF8_NAME
    one = _Written(entry, name, method, flags, 0, 0, len(data), at)
    at += len(_local(one, None))
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS) if method == DEFLATED else None
    crc, start = 0, at
    for piece in range(0, len(data), _CHUNK_BYTES):
        chunk = data[piece : min(piece + _CHUNK_BYTES, len(data))]
        crc = zlib.crc32(chunk, crc)
        at += os.pwrite(result_fd, chunk if packer is None else packer.compress(chunk), at)
    if packer is not None:
        at += os.pwrite(result_fd, packer.flush(), at)
    one = one._replace(crc=crc, packed_bytes=at - start)
    os.pwrite(result_fd, _local(one, None), one.offset)
    return one


def _local(one: _Written, source_fd: int | None) -> bytes:
    """The head before the data; what else it says (times, owners) is the source's."""
    info = one.entry.info
    extra = _kept_extra(info.extra, renamed=one.name != one.entry.name)
    if source_fd is not None:
        extra = _kept_extra(_local_extra(source_fd, info.header_offset), renamed=one.name != one.entry.name)
    large = one.size_bytes >= _BEYOND or one.packed_bytes >= _BEYOND
    sizes = (one.packed_bytes, one.size_bytes)
    if large:
        extra = struct.pack("<2H2Q", _ZIP64, 16, one.size_bytes, one.packed_bytes) + extra
        sizes = (_BEYOND, _BEYOND)
    version = max(info.extract_version, _ZIP64_VERSION if large else 0)
    head = _LOCAL.pack(
        b"PK\3\4", version, one.flags, one.method, *_stamp(one.entry), one.crc, *sizes, len(one.name), len(extra)
    )
    return head + one.name + extra


def _local_extra(source_fd: int, offset: int) -> bytes:
    name_bytes, extra_bytes = struct.unpack("<2H", os.pread(source_fd, 4, offset + 26))
    return os.pread(source_fd, extra_bytes, offset + _LOCAL.size + name_bytes)


def _central(one: _Written) -> bytes:
    info = one.entry.info
    extra = _kept_extra(info.extra, renamed=one.name != one.entry.name)
    sizes, offset = (one.packed_bytes, one.size_bytes), one.offset
    if max(*sizes, offset) >= _BEYOND:
        extra = struct.pack("<2H3Q", _ZIP64, 24, one.size_bytes, one.packed_bytes, offset) + extra
        sizes, offset = (_BEYOND, _BEYOND), _BEYOND
    version = max(info.extract_version, _ZIP64_VERSION if offset == _BEYOND else 0)
    head = _CENTRAL.pack(
        b"PK\1\2",
        info.create_version | info.create_system << 8,
        version,
        one.flags,
        one.method,
        *_stamp(one.entry),
        one.crc,
        *sizes,
        len(one.name),
        len(extra),
        len(info.comment),
        0,
        info.internal_attr,
        info.external_attr,
        offset,
    )
    return head + one.name + extra + info.comment


def _finish(written: Sequence[_Written], comment: bytes, result_fd: int, at: int) -> None:
    """The directory, and the end with the archive's comment."""
    start, count = at, len(written)
    for one in written:
        at += os.pwrite(result_fd, _central(one), at)
    size, end = at - start, b""
    if at >= _BEYOND:
        record = _END64.pack(
            *(b"PK\6\6", _END64.size - 12, _ZIP64_VERSION, _ZIP64_VERSION, 0, 0, count, count, size, start)
        )
        end = record + _LOCATOR64.pack(b"PK\6\7", 0, at, 1)
    end += _END.pack(b"PK\5\6", 0, 0, count, count, min(size, _BEYOND), min(start, _BEYOND), len(comment)) + comment
    os.pwrite(result_fd, end, at)


def _stamp(entry: Entry) -> tuple[int, int]:
    """Time and date as the source has them, sensible or not."""
    year, month, day, hour, minute, second = entry.info.date_time
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _kept_extra(extra: bytes, *, renamed: bool) -> bytes:
    """Extra fields but for the sizes of large entries, which are written anew, and another spelling of an old name."""
    kept, at = b"", 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<2H", extra[at : at + 4])
        if kind != _ZIP64 and not (renamed and kind == _UNICODE_NAME):
            kept += extra[at : at + 4 + length]
        at += 4 + length
    return kept


def review(source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage]) -> None:
    """Read the archive by zipfile and compare every entry. Raises ValueError where one is not as it should be."""
    made = {page.number: page for page in pages if not page.copied}
    with archive.opened(source_fd) as source, archive.opened(result_fd) as result:
        before, after = archive.entries(source), archive.entries(result)
        if [entry.name for entry in after] != _names(before, made) or source.comment != result.comment:
            raise ValueError("its entries have other names, or another order")
        for old, new in zip(before, after, strict=True):
            page = made.get(old.number)
            if page is None:
                _compare_copy(source_fd, old, result_fd, new)
                continue
            data = archive.unpacked(result, new)
            if data[: len(data)] != Window(stack_fd, page.size, page.offset)[0 : page.size]:
                raise ValueError(f"the page {new.name!r} has other bytes")
            if inspect(data).header.size != (page.width, page.height):
                raise ValueError(f"the page {new.name!r} has another size")


def _compare_copy(source_fd: int, old: Entry, result_fd: int, new: Entry) -> None:
    facts = ("CRC", "file_size", "compress_size", "compress_type", "date_time", "external_attr", "comment")
    if any(getattr(old.info, fact) != getattr(new.info, fact) for fact in facts):
        raise ValueError(f"what is said of {new.name!r} differs")
    pairs = zip(_packed_bytes(source_fd, old), _packed_bytes(result_fd, new), strict=True)
    if any(one != other for one, other in pairs):
        raise ValueError(f"the bytes of {new.name!r} differ")
