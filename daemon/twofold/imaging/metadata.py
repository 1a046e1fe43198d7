"""What travels with the pixels: profile, EXIF, XMP and resolution."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from twofold.core.geometry import Size
from twofold.imaging import exif as exif_block

MAX_ICC_BYTES = 4 * 2**20
MAX_EXIF_BYTES = 4 * 2**20
MAX_XMP_BYTES = 4 * 2**20

_ICC_SPACE = {1: b"GRAY", 3: b"RGB "}
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))\d+")
_XMP_WIDTH = re.compile(rb"((?:tiff:ImageWidth|exif:PixelXDimension)(?:\s*=\s*[\"']|\s*>\s*))\d+")
_XMP_HEIGHT = re.compile(rb"((?:tiff:ImageLength|exif:PixelYDimension)(?:\s*=\s*[\"']|\s*>\s*))\d+")


class JpegLook(NamedTuple):
    """How a JPEG was compressed: quantisation tables as stored (64 steps each), and samples of luma for one of chroma
    (horizontally, vertically)."""

    tables: tuple[tuple[int, ...], ...]
    sampling: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Raw blocks without their container's framing: `exif` starts with its TIFF header; `dpi` is (x, y) per inch."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    jpeg: JpegLook | None = None

    def to_json(self) -> dict[str, Any]:
        blocks = {name: getattr(self, name) for name in ("icc", "exif", "xmp")}
        data: dict[str, Any] = {
            name: None if block is None else base64.b64encode(block).decode() for name, block in blocks.items()
        }
        data["dpi"] = None if self.dpi is None else list(self.dpi)
        data["jpeg"] = self.jpeg
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Metadata:
        blocks = {name: None if data[name] is None else base64.b64decode(data[name]) for name in ("icc", "exif", "xmp")}
        jpeg = data["jpeg"] and JpegLook(
            tuple(tuple(table) for table in data["jpeg"][0]), (data["jpeg"][1][0], data["jpeg"][1][1])
        )
        return cls(**blocks, dpi=None if data["dpi"] is None else (data["dpi"][0], data["dpi"][1]), jpeg=jpeg)


def for_output(metadata: Metadata, size: Size, channels: int) -> tuple[Metadata, list[str]]:
    """The metadata of an upright result of `size` and `channels`, and a warning for each block that was dropped.

    Profile bytes stay identical. Trouble with metadata never fails a job.
    """
    warnings: list[str] = []
    icc, exif, xmp = metadata.icc, metadata.exif, metadata.xmp
    if icc is not None and icc[16:20] != _ICC_SPACE[channels]:
        icc = None
        warnings.append("the colour profile was dropped: it is not for this kind of picture")
    if exif is not None:
        try:
            exif = exif_block.retarget(exif, size)
        except ValueError as error:
            exif = None
            warnings.append(f"the EXIF block was dropped: {error}")
    if xmp is not None:
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
        xmp = _XMP_WIDTH.sub(rb"\g<1>%d" % size.width, xmp)
        xmp = _XMP_HEIGHT.sub(rb"\g<1>%d" % size.height, xmp)
    return replace(metadata, icc=icc, exif=exif, xmp=xmp), warnings
