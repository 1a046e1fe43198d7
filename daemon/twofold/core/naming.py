"""Names of results: bytes throughout, as a file system gives them, since a name need not be UTF-8."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from twofold.core.formats import ARCHIVE, EXTENSIONS, Format

MAX_NAME_BYTES = 255  # of one path component, on every common file system
MAX_SUFFIX = 9999
TEMP_PREFIX = b".twofold-"
TEMP_SUFFIX = b".tmp"

_KNOWN = EXTENSIONS | {*ARCHIVE.extensions}
_HASH_DIGITS = 8
_CONTINUATION = range(0x80, 0xC0)  # second and later bytes of a UTF-8 character,
_MAX_CONTINUATION = 3  # of which there are at most so many


def output_name(source: bytes, target: Format) -> bytes:
    """Name of the result for a source path relative to its inbox; the folders stay.

    The extension changes only where it is not one of the format's: IMG.JPEG stays, a PNG named .jpg becomes .png. An
    extension that is no picture format's is part of the name: `scan.2024` becomes `scan.2024.jpg`.
    """
    folder, stem, extension = split_name(source)
    return _join(folder, stem, b"", extension_for(target, extension))


def wrong_extension(source: bytes, format_: Format) -> str:
    """What is to be noted of a picture of `format_` under a name of another; empty where there is nothing."""
    _, _, extension = split_name(source)
    name = extension[1:].lower().decode("latin-1")
    return "" if not name or name in format_.extensions else f"it is called .{name}, and is {format_.name}"


def suffixed_names(name: bytes) -> Iterator[bytes]:
    """`name`, then `name-2`, `name-3`, … before the extension: where the earlier ones are taken; at most MAX_SUFFIX."""
    yield name
    folder, stem, extension = split_name(name)
    for number in range(2, MAX_SUFFIX + 1):
        yield _join(folder, stem, b"-%d" % number, extension)


def name_beside(source: bytes, factor: Fraction, target: Format) -> bytes:
    """Name of a result in its source's own folder: `photo.jpg` at 2 becomes `photo-2x.jpg`."""
    folder, stem, extension = split_name(source)
    return _join(folder, stem, f"-{round(float(factor), 2):g}x".encode(), extension_for(target, extension))


def comparison_name(output: bytes) -> bytes:
    """Name of the picture that compares a result with its source: `photo-2x.jpg` has `photo-2x-compare.png`."""
    folder, stem, _ = split_name(output)
    return _join(folder, stem, b"-compare", b".png")


def page_names(names: Sequence[bytes], formats: Mapping[int, Format]) -> list[bytes]:
    """Names of an archive's entries: those whose index is in `formats` get that format's extension, where theirs is
    another's. A name that is taken by then is numbered.
    """
    result = list(names)
    taken = {reservation_key(name) for name in names}
    for index, target in sorted(formats.items()):
        folder, stem, extension = split_name(names[index])
        wanted = folder + stem + extension_for(target, extension)
        if wanted == names[index]:
            continue
        # MAX_SUFFIX numbers, and fewer entries: one is free.
        result[index] = next(name for name in suffixed_names(wanted) if reservation_key(name) not in taken)
        taken.add(reservation_key(result[index]))
    return result


def temp_name(job_id: str) -> bytes:
    """Name of the unfinished result of a job, in the folder of the finished one."""
    return TEMP_PREFIX + job_id.encode() + TEMP_SUFFIX


def reservation_key(path: bytes) -> bytes:
    """Equal for names that a share may hold to be the same: other case, or composed otherwise (NFC, case-folded)."""
    text = unicodedata.normalize("NFD", path.decode("utf-8", "surrogateescape"))
    return unicodedata.normalize("NFC", text.casefold()).encode("utf-8", "surrogateescape")


def shortened(name: bytes, room: int) -> bytes:
    """`name`, or where it has more than `room` bytes its beginning, marked with its own hash."""
    if len(name) <= room:
        return name
    mark = b"-" + hashlib.sha256(name).hexdigest()[:_HASH_DIGITS].encode()
    end = room - len(mark)
    for _ in range(_MAX_CONTINUATION):
        end -= name[end] in _CONTINUATION  # a character is not cut in two
    return name[:end] + mark


def split_name(path: bytes) -> tuple[bytes, bytes, bytes]:
    """Folder with its slash, stem, and extension with its dot (empty where it is no picture's and no archive's)."""
    cut = path.rfind(b"/") + 1
    stem, dot, extension = path[cut:].rpartition(b".")
    if stem and extension.lower().decode("latin-1") in _KNOWN:
        return path[:cut], stem, dot + extension
    return path[:cut], path[cut:], b""


def extension_for(target: Format, extension: bytes) -> bytes:
    if extension[1:].lower().decode("latin-1") in target.extensions:
        return extension
    return b"." + target.extension.encode()


def _join(folder: bytes, stem: bytes, suffix: bytes, extension: bytes) -> bytes:
    """The path, its stem cut and marked with its own hash where the name would be too long."""
    return folder + shortened(stem, MAX_NAME_BYTES - len(suffix) - len(extension)) + suffix + extension
