"""The probe: what a file holds, from its structure, and where that is asked for from a look at its pixels."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, replace
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import ARCHIVE
from twofold.core.pages import TAKEN_APART, Contents, Page, looked_at, too_many
from twofold.core.picture import PictureHeader
from twofold.core.recipe import Pages
from twofold.imaging.inspection import FileBytes, Inspection, inspect, is_archive


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out: `look` adds the statistics of pages' content, `pages` says which pages matter."""

    input_px: int
    look: bool
    pages: Pages
    limit_pages: int

    def headed(self, data: FileBytes, inspection: Inspection, *, look: bool) -> PictureHeader:
        """The header of one page, with its signals. Raises TwofoldError(TOO_LARGE)."""
        header = inspection.header
        if header.size.pixels > self.input_px:
            raise TwofoldError(
                Code.TOO_LARGE,
                f"The picture has {header.size.pixels} pixels ({header.width}x{header.height}); "
                f"the limit is {self.input_px}.",
            )
        if look and self.look:
            from twofold.imaging import signals  # numpy and libvips: only where somebody wants to know

            header = replace(header, signals=header.signals | signals.measure(data, header))
        return header


def operate(request: dict[str, Any]) -> dict[str, Any]:
    question = Question(request["input_px"], request["look"], request["pages"], request["limit_pages"])
    return {"contents": contents(request["source"], question).to_json()}


def contents(fd: int, question: Question) -> Contents:
    data = open_bytes(fd)
    if is_archive(data):
        from twofold.imaging import archive

        return archive.contents(fd, question)
    inspection = inspect(data)
    header = inspection.header
    if header.frames == 1:
        return Contents(header.format, 1, (Page(None, question.headed(data, inspection, look=True)),))
    if question.pages == "skip" or header.format not in TAKEN_APART - {ARCHIVE.name}:
        return Contents(header.format, header.frames, ())
    if header.format == "tiff":
        from twofold.imaging import tiff_pages

        count = tiff_pages.count(data)
    else:
        from twofold.imaging import animation

        count = animation.count(data)
    if count > question.limit_pages and question.pages == "all":
        raise too_many(count, question.limit_pages)
    wanted = 1 if question.pages == "first" else count
    if header.format == "tiff":
        return Contents("tiff", count, tuple(_tiff_pages(fd, wanted, question)))
    return Contents(header.format, count, animation.pages(data, inspection, wanted, question))


def _tiff_pages(fd: int, wanted: int, question: Question) -> list[Page]:
    from twofold.imaging import tiff_pages

    looks, found = looked_at(wanted), []
    for number in range(wanted):
        data = tiff_pages.page(fd, number)
        try:
            header = question.headed(data, inspect(data), look=number in looks)
            found.append(Page(number, header))
        except TwofoldError as error:
            found.append(Page(number, None, reason=error.reason))
    return found


def open_bytes(fd: int) -> FileBytes:
    """The whole file as a read-only map: no copy, and no shared file position."""
    return mmap.mmap(fd, 0, prot=mmap.PROT_READ) if os.fstat(fd).st_size else b""
