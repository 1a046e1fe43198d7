"""One page of a file as a picture of its own: whatever decodes it need not know where it came from."""

from __future__ import annotations

from typing import NamedTuple

from twofold.core.picture import PictureHeader
from twofold.imaging.inspection import FileBytes, Inspection, inspect, is_archive, sniff
from twofold.imaging.probe import open_bytes


class Opened(NamedTuple):
    """A page's bytes, what they say, and the header it was planned by: a frame goes by its animation's format."""

    data: FileBytes
    inspection: Inspection
    header: PictureHeader


def open_page(fd: int, number: int | None, *, alpha: bool) -> Opened:
    """Page `number` as the probe counted it; None: the file is the picture.

    Frames of one animation are alike: all of them have `alpha`, or none.
    Raises TwofoldError(EMPTY, NOT_A_PICTURE, UNSUPPORTED_FORMAT, DAMAGED).
    """
    data = open_bytes(fd)
    if number is not None:
        if is_archive(data):
            from twofold.imaging import archive

            data = archive.page(fd, number)
        elif sniff(data) == "tiff":
            from twofold.imaging import tiff_pages

            data = tiff_pages.page(fd, number)
        else:
            from twofold.imaging import animation

            return Opened(*animation.page(data, number, alpha=alpha))
    inspection = inspect(data)
    return Opened(data, inspection, inspection.header)
