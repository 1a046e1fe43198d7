"""Comic archives for the tests: made, with everything in them that real ones have beside their pages."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.photos import photo

INFO = "<?xml version='1.0'?>\n<ComicInfo><Title>A comic</Title><PageCount>3</PageCount></ComicInfo>\n"
STAMP = (2001, 2, 3, 4, 5, 6)
COMMENT = b"Scanned by nobody."


def page_name(number: int) -> str:
    return f"Chapter 1/p{number:03}.jpg"


def comic(pages: Mapping[str, bytes]) -> bytes:
    """A cbz: ComicInfo.xml first, a folder, the pages (deflated and stored by turns), and a text at the end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = COMMENT
        archive.writestr(_info("ComicInfo.xml", zipfile.ZIP_DEFLATED), INFO)
        archive.writestr(_info("Chapter 1/", zipfile.ZIP_STORED), b"")
        for number, (name, content) in enumerate(pages.items()):
            packing = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            archive.writestr(_info(name, packing), content)
        archive.writestr(_info("read me.txt", zipfile.ZIP_STORED), "Enjoy.")
    return buffer.getvalue()


def comic_of(count: int, size: tuple[int, int] = (60, 90)) -> bytes:
    """A comic of JPEGs, no two of which are alike."""
    return comic({page_name(number): photo("jpeg", *size, number) for number in range(count)})


def entries(path: Path) -> dict[str, bytes]:
    """What an archive holds, in its order."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def directory(path: Path) -> list[tuple[str, int, tuple[int, ...], int]]:
    """Name, packing, time and attributes of every entry, in order."""
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    return [(info.filename, info.compress_type, info.date_time, info.external_attr) for info in infos]


def _info(name: str, packing: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, STAMP)
    info.compress_type, info.external_attr = packing, 0o640 << 16
    return info
