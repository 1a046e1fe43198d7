"""The encoder: a finished raster and its metadata become a file. The same input gives the same bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pyvips

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS, Format
from twofold.core.recipe import SaveAs
from twofold.imaging import avif, jpeg, png, webp
from twofold.imaging.change import Wishes
from twofold.imaging.metadata import Metadata, for_output
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Samples

# Measured on 12 MP of photograph: level 2 with the "sub" filter is as fast as level 1 and a third smaller.
THUMBNAIL_PX, THUMBNAIL_QUALITY = 160, 80
PNG_LEVEL, PNG_FILTER = 2, "sub"
WEBP_EFFORT = 2
TIFF_LEVEL = 1
JPEG_OPTIMISED = 5  # from this effort on, Huffman tables are made for the picture: 2 to 5 % smaller, a third slower
_VIPS_PNG_HEAD_BYTES = 54  # signature, IHDR and a pHYs that libvips always writes; ours is longer and replaces it
_FULL = (os.strerror(28), os.strerror(27), os.strerror(122))  # ENOSPC, EFBIG, EDQUOT, as libvips spells them


def operate(request: dict[str, Any]) -> dict[str, Any]:
    save_as, fd = SaveAs(**request["save_as"]), request["result"]
    format_ = FORMATS[save_as.format]
    raster = SharedRaster.from_json(request["raster"])
    alpha = SharedRaster.from_json(request["alpha"]) if request["alpha"] else None
    _check(format_, raster, alpha)
    channels = raster.channels if format_.grey else 3
    metadata = Metadata.from_json(request["metadata"])
    change = metadata.change_to(raster.size, Wishes.from_json(request["wishes"]))
    metadata, warnings = for_output(metadata, change, channels, format_.name, lambda: _thumbnail(raster))
    raster = _at_depth(raster, format_.depth)
    alpha = None if alpha is None else _at_depth(alpha, format_.depth)
    try:
        warnings += _write(format_, raster, alpha, metadata, save_as, fd, request["room"])
    except pyvips.Error as error:
        raise _explained(error) from None
    return {"warnings": warnings}


def _write(
    format_: Format,
    raster: SharedRaster,
    alpha: SharedRaster | None,
    metadata: Metadata,
    save_as: SaveAs,
    fd: int,
    room_fd: int | None,
) -> list[str]:
    """Returns warnings about what the format could not take."""
    match format_.name:
        case "jpeg":
            return _write_jpeg(raster, metadata, save_as, fd)
        case "png":
            _write_png(_image(raster, alpha), metadata, save_as, fd)
        case "webp":
            _write_webp(_image(raster, alpha), metadata, save_as, fd)
        case "avif":
            # libvips cuts bits off; rounded first, and left-aligned, they are the nearest ones
            planes = [None if one is None else _quantised(one) for one in (raster, alpha)]
            avif.write(_image(planes[0] or raster, planes[1]), metadata, save_as, fd)
        case "jxl":
            from twofold.imaging import jxl

            return jxl.write(_joined(raster, alpha), raster.channels, metadata, save_as, fd)
        case _:
            return _write_tiff(raster, alpha, metadata, save_as, fd, room_fd)
    return []


def _quantised(plane: SharedRaster) -> SharedRaster:
    if plane.depth == 8:
        return plane
    return SharedRaster.copy_of(avif.quantised(plane.array()) << (16 - avif.BITS))


def effort(save_as: SaveAs, steps: int, default: int) -> int:
    """The wish for speed or size (1-9) on an encoder's own scale of 0 to `steps`."""
    return default if save_as.effort is None else round((save_as.effort - 1) * steps / 8)


def _thumbnail(raster: SharedRaster) -> bytes:
    """A small JPEG of the result, for file browsers."""
    small = _image(raster, None).thumbnail_image(THUMBNAIL_PX)
    small = small.colourspace("b-w" if raster.channels == 1 else "srgb")
    return bytes(small.jpegsave_buffer(Q=THUMBNAIL_QUALITY, keep="none"))


def _check(format_: Format, raster: SharedRaster, alpha: SharedRaster | None) -> None:
    """Refuse what the format cannot hold; planning has done so long before, for every picture it saw."""
    if raster.size.long_side > format_.max_side_px:
        raise TwofoldError(Code.FORMAT_LIMIT, f"{format_.name} ends at {format_.max_side_px} pixels a side")
    if alpha is not None and not format_.alpha:
        raise TwofoldError(Code.NEEDS_BACKGROUND, f"the picture has transparency and {format_.name} has none")


def _at_depth(plane: SharedRaster, depth: int) -> SharedRaster:
    if plane.depth <= depth:
        return plane
    from twofold.imaging.resample import to_depth

    return SharedRaster.copy_of(to_depth(plane.array(), depth))


def _image(raster: SharedRaster, alpha: SharedRaster | None) -> pyvips.Image:
    """The pixels as libvips sees them; nothing is copied."""
    sample = "ushort" if raster.depth == 16 else "uchar"
    space = {(1, 8): "b-w", (1, 16): "grey16", (3, 8): "srgb", (3, 16): "rgb16"}[raster.channels, raster.depth]
    planes = [
        pyvips.Image.new_from_memory(plane.buffer(), plane.width, plane.height, plane.channels, sample)
        for plane in (raster, alpha)
        if plane is not None
    ]
    joined = planes[0].bandjoin(planes[1:]) if len(planes) > 1 else planes[0]
    return joined.copy(interpretation=space)


def _joined(raster: SharedRaster, alpha: SharedRaster | None) -> Samples:
    return raster.array() if alpha is None else np.concatenate([raster.array(), alpha.array()], axis=2)


def _write_jpeg(raster: SharedRaster, metadata: Metadata, save_as: SaveAs, fd: int) -> list[str]:
    head, warnings = jpeg.head(metadata)
    start = len(head) - len(jpeg.START)
    os.lseek(fd, start, os.SEEK_SET)
    if save_as.match_source and metadata.jpeg is not None:
        from twofold.imaging import pillow_formats

        pillow_formats.write_jpeg(raster.array(), metadata.jpeg, fd, start)
    else:
        _image(raster, None).jpegsave_target(
            pyvips.Target.new_to_descriptor(fd),
            Q=save_as.quality,
            subsample_mode="off" if save_as.subsampling == 444 else "on",
            optimize_coding=(save_as.effort or 1) >= JPEG_OPTIMISED,
            keep="none",
        )
    _lay_over(fd, start, jpeg.START, head)
    return warnings


def _write_png(image: pyvips.Image, metadata: Metadata, save_as: SaveAs, fd: int) -> None:
    head_bytes = len(png.head(bytes(png.IHDR_BYTES), metadata))
    start = head_bytes - _VIPS_PNG_HEAD_BYTES
    os.lseek(fd, start, os.SEEK_SET)
    target = pyvips.Target.new_to_descriptor(fd)
    level = save_as.effort or PNG_LEVEL  # zlib's own levels are 1 to 9 too
    image.pngsave_target(target, compression=level, filter=PNG_FILTER, keep="none")
    ihdr = os.pread(fd, png.IHDR_BYTES, start + len(png.SIGNATURE) + 8)
    if os.pread(fd, 4, start + _VIPS_PNG_HEAD_BYTES + 4) != b"IDAT":
        raise TwofoldError(Code.CODEC_FAILED, "The encoder began its file in an unknown way.")
    _lay_over(fd, start, png.SIGNATURE, png.head(ihdr, metadata))


def _write_webp(image: pyvips.Image, metadata: Metadata, save_as: SaveAs, fd: int) -> None:
    bare = image.webpsave_buffer(
        Q=save_as.quality,
        lossless=bool(save_as.lossless),
        effort=effort(save_as, 6, WEBP_EFFORT),
        exact=True,
        keep="none",
    )
    _write_all(fd, webp.assemble(bare, metadata))


def _write_tiff(
    raster: SharedRaster,
    alpha: SharedRaster | None,
    metadata: Metadata,
    save_as: SaveAs,
    fd: int,
    room_fd: int | None,
) -> list[str]:
    from twofold.imaging import tiff_writer

    big = raster.bytes + (alpha.bytes if alpha else 0) > tiff_writer.CLASSIC_TIFF_BYTES
    colours, opacity = raster.array(), None if alpha is None else alpha.array()
    room = None
    if room_fd is not None and alpha is not None:
        room = replace(raster, fd=room_fd, channels=raster.channels + 1).array()
    level = save_as.effort or TIFF_LEVEL
    return tiff_writer.write(colours, opacity, metadata, fd, big=big, level=level, room=room)


def _lay_over(fd: int, start: int, expected: bytes, head: bytes) -> None:
    """Lay our head over the encoder's: the file was written so that it ends where the encoder's first ends."""
    if os.pread(fd, len(expected), start) != expected:
        raise TwofoldError(Code.CODEC_FAILED, "The encoder began its file in an unknown way.")
    written = os.pwrite(fd, head, 0)
    if written != len(head):
        raise OSError(28, os.strerror(28))


def _write_all(fd: int, data: bytes) -> None:
    with os.fdopen(os.dup(fd), "wb") as file:
        file.seek(0)
        file.write(data)


def _explained(error: pyvips.Error) -> TwofoldError:
    text = str(error)
    if any(full in text for full in _FULL):
        return TwofoldError(Code.DISK_FULL, "There was no room for the whole result.")
    if "webp" in text and "encode" in text:
        # libwebp's first partition is bounded: a large picture overflows it below the limit of its sides.
        return TwofoldError(Code.FORMAT_LIMIT, "The result is too large or too detailed for WebP.")
    return TwofoldError(Code.CODEC_FAILED, f"The encoder failed: {text.strip()}")
