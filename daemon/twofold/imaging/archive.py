"""Comic archives: which entries of a zip are pages, and their bytes. Nothing is ever unpacked under its name."""

from __future__ import annotations

import mmap
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.formats import ARCHIVE
from twofold.core.ignore import compile_rules, decide
from twofold.core.pages import ENTRIES_PER_PAGE, MAX_PAGE_BYTES, MAX_UNPACKED_BYTES, Contents, Page, looked_at, too_many
from twofold.core.quantity import about_bytes
from twofold.imaging.inspection import FileBytes, damaged, inspect, sniff, unsupported
from twofold.imaging.probe import Question

UTF8_NAME = 0x800
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_HEAD_BYTES = 300
"""Of an entry, for the kind of its content."""

_CHUNK_BYTES = 2**20
# What zipfile raises on broken archives is not among its promises.
_REFUSALS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    zlib.error,
)


class Entry(NamedTuple):
    """One entry of the directory, in its order, with its name as bytes."""

    number: int
    name: bytes
    info: zipfile.ZipInfo

    @property
    def folder(self) -> bool:
        return self.name.endswith(b"/")


@contextmanager
def opened(fd: int) -> Iterator[zipfile.ZipFile]:
    """The archive behind a descriptor. Raises TwofoldError(DAMAGED)."""
    with os.fdopen(os.dup(fd), "rb") as file:
        try:
            archive = zipfile.ZipFile(file)
        except _REFUSALS as error:
            raise _damaged(str(error)) from None
        with archive:
            yield archive


def entries(archive: zipfile.ZipFile) -> list[Entry]:
    """All entries in order, none of which may overlap. Raises TwofoldError(ENCRYPTED, BAD_ARCHIVE, TOO_LARGE)."""
    found = [Entry(index, raw_name(info), info) for index, info in enumerate(archive.infolist())]
    if any(entry.info.flag_bits & _ENCRYPTED for entry in found):
        raise TwofoldError(Code.ENCRYPTED, Code.ENCRYPTED.meaning)
    if sum(entry.info.compress_size for entry in found) > _length(archive):
        raise TwofoldError(Code.BAD_ARCHIVE, "the archive's entries lie over one another")
    names: set[bytes] = set()
    for entry in found:
        if entry.name in names or _leads_out(entry.name):
            raise TwofoldError(Code.BAD_ARCHIVE, f"the archive has a name that is double or unsafe: {entry.name!r}")
        names.add(entry.name)
    unpacked_bytes = sum(entry.info.file_size for entry in found)
    if unpacked_bytes > MAX_UNPACKED_BYTES:
        text = f"the archive would unpack to {about_bytes(unpacked_bytes)}"
        raise TwofoldError(Code.TOO_LARGE, text, f"{about_bytes(MAX_UNPACKED_BYTES)} are the most; pack less into one.")
    return found


def _length(archive: zipfile.ZipFile) -> int:
    assert archive.fp is not None  # noqa: S101  it is open
    return archive.fp.seek(0, os.SEEK_END)


def raw_name(info: zipfile.ZipInfo) -> bytes:
    """The name as it stands in the archive: zipfile reads what is not UTF-8 as code page 437, byte by byte."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & UTF8_NAME else "cp437")


def _leads_out(name: bytes) -> bool:
    """True for absolute names, such with a drive, and those that go up."""
    parts = name.replace(b"\\", b"/").split(b"/")
    return not parts[0] or b".." in parts or b"\0" in name or parts[0][1:2] == b":"


def contents(fd: int, question: Question) -> Contents:
    """The pages of an archive, whole ones where `pages` is all."""
    with opened(fd) as archive:
        found = entries(archive)
        if len(found) > ENTRIES_PER_PAGE * question.limit_pages:
            raise too_many(len(found), question.limit_pages)
        kinds = {entry.number: kind for entry in found if (kind := kind_of(archive, entry)) is not None}
        if len(kinds) > question.limit_pages:
            raise too_many(len(kinds), question.limit_pages)
        others = sum(not entry.folder for entry in found) - len(kinds)
        pages: list[Page] = []
        if question.pages == "all":
            looks = looked_at(len(kinds))
            for place, index in enumerate(kinds):
                pages.append(_page(archive, found[index], kinds[index], question, look=place in looks))
        return Contents(ARCHIVE.name, len(kinds), tuple(pages), others)


def kind_of(archive: zipfile.ZipFile, entry: Entry) -> str | Reason | None:
    """The format of a page, or why it is none that can be read; None for all other files."""
    if entry.folder or not entry.info.file_size or decide(entry.name, _RULES) is not None:
        return None
    try:
        with _refusals_are_damage(), archive.open(entry.info) as file:
            return sniff(file.read(_HEAD_BYTES))
    except TwofoldError as error:
        # A page that cannot be read is still one, if it is called so.
        named = entry.name.lower().endswith(_PAGE_NAMES)
        return error.reason if error.code is Code.UNSUPPORTED_FORMAT or (named and error.code is Code.DAMAGED) else None


_RULES = compile_rules()
_PAGE_NAMES = (b".jpg", b".jpeg", b".png", b".webp", b".avif", b".jxl", b".gif", b".tif", b".tiff", b".bmp")


def _page(archive: zipfile.ZipFile, entry: Entry, kind: str | Reason, question: Question, *, look: bool) -> Page:
    name = _shown(entry.info.filename)
    try:
        if isinstance(kind, Reason):
            raise TwofoldError(kind.code, kind.text, kind.hint)
        data = unpacked(archive, entry)
        header = question.headed(data, inspect(data), look=look)
        if header.frames > 1:
            raise unsupported("an animation, or a file of pages, inside an archive")
    except TwofoldError as error:
        return Page(entry.number, None, name, error.reason)
    return Page(entry.number, header, name)


def _shown(name: str) -> str:
    """A name that can break no line, and needs no more than UTF-8."""
    return name if name.isprintable() else ascii(name)[1:-1]


def page(fd: int, index: int) -> FileBytes:
    """The bytes of one page. Raises TwofoldError(DAMAGED, TOO_LARGE)."""
    with opened(fd) as archive:
        infos = archive.infolist()
        if index >= len(infos):
            raise _damaged("it is not the file that was probed")
        return unpacked(archive, Entry(index, raw_name(infos[index]), infos[index]))


def unpacked(archive: zipfile.ZipFile, entry: Entry) -> FileBytes:
    """An entry's bytes, no more than it says, its checksum compared."""
    size_bytes = entry.info.file_size
    if size_bytes > MAX_PAGE_BYTES:
        text = f"it would unpack to {about_bytes(size_bytes)}, and {about_bytes(MAX_PAGE_BYTES)} are the most"
        raise TwofoldError(Code.TOO_LARGE, text, "Pack it as a smaller file, or set on_bad_page: copy.")
    if not size_bytes:
        return b""
    memory = mmap.mmap(-1, size_bytes)
    with _refusals_are_damage(), archive.open(entry.info) as file:
        _fill(memory, file)
    return memory


def _fill(memory: mmap.mmap, file: IO[bytes]) -> None:
    while chunk := file.read(_CHUNK_BYTES):
        memory.write(chunk)  # raises ValueError beyond the end
    if memory.tell() != len(memory):
        raise EOFError("it ends early")


@contextmanager
def _refusals_are_damage() -> Iterator[None]:
    try:
        yield
    except _REFUSALS as error:
        raise _damaged(str(error)) from None


def _damaged(text: str) -> TwofoldError:
    return damaged(f"the archive says: {text}")
