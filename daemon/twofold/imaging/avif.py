"""AVIF files: what their boxes say beside what Pillow tells, and a new one written by libvips."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twofold.core.formats import FORMATS
from twofold.core.picture import PictureHeader
from twofold.core.recipe import SaveAs
from twofold.imaging import isobmff, pillow_formats
from twofold.imaging.inspection import FileBytes, Inspection, damaged
from twofold.imaging.metadata import Metadata

if TYPE_CHECKING:
    import pyvips

    from twofold.raster import Samples

BITS = FORMATS["avif"].bits or 8
MAX_EFFORT = 2  # of libvips's ten: the next ones take half a minute and more for a megapixel
_INCH_MM = 25.4


def inspect(data: FileBytes) -> Inspection:
    """What Pillow says, and what it passes over: more than eight bits, grey, colours that are named by number."""
    found = pillow_formats.inspect(data)
    primary = isobmff.primary(data)
    metadata = found.metadata
    if metadata.icc is None and primary.wide:
        from twofold.imaging import colour

        metadata = replace(metadata, icc=colour.profile("display-p3"))
    header = replace(
        found.header,
        channels=1 if primary.grey else 3,
        depth=16 if primary.bits > 8 else 8,
        mode=found.header.mode if not primary.grey else "LA" if found.header.alpha else "L",
        icc_bytes=len(metadata.icc or b""),
    )
    return Inspection(header, metadata)


def decode(data: FileBytes, header: PictureHeader) -> Samples:
    """(H, W, 1-4) samples as stored, alpha last, not yet turned."""
    if header.depth == 8:
        return pillow_formats.decode(data, header)
    import numpy as np
    from imagecodecs import avif_decode

    try:
        samples = np.asarray(avif_decode(data, index=0))
    except (RuntimeError, ValueError) as error:  # imagecodecs raises RuntimeErrors of many names
        raise damaged(str(error)) from None
    samples = samples if samples.ndim == 3 else samples[:, :, None]
    widen(samples, isobmff.primary(data).bits)
    return samples


def widen(samples: Samples, bits: int) -> None:
    """Stretch (H, W, C) samples of `bits` (9 to 15) to 16, in place: white stays white."""
    import numpy as np

    top = np.uint32(2**bits - 1)
    for row in samples:
        row[...] = (row.astype(np.uint32) * 65535 + top // 2) // top


def quantised(samples: Samples, bits: int = BITS) -> Samples:
    """What `bits` keep of 16-bit samples, rounded once: 0 to 2**bits - 1."""
    import numpy as np

    result = np.empty_like(samples)
    for row, kept in zip(samples, result, strict=True):
        kept[...] = (row.astype(np.uint32) * (2**bits - 1) + 32767) // 65535
    return result


def write(image: pyvips.Image, metadata: Metadata, save_as: SaveAs, fd: int) -> None:
    """Write the whole file at the start of `fd`; 16-bit samples are left-aligned BITS ones. Raises pyvips.Error."""
    import pyvips

    deep = image.format == "ushort"
    dpi: dict[str, float] = {}
    if metadata.dpi is not None:
        dpi = {"xres": metadata.dpi[0] / _INCH_MM, "yres": metadata.dpi[1] / _INCH_MM}
    image = image.copy(**dpi)
    blocks = {
        "icc-profile-data": metadata.icc,
        "exif-data": metadata.exif and b"Exif\0\0" + metadata.exif,
        "xmp-data": metadata.xmp,
    }
    for name, block in blocks.items():
        if block:
            image.set_type(pyvips.GValue.blob_type, name, block)
    kind: dict[str, Any] = {"lossless": True} if save_as.lossless else {"Q": save_as.quality}
    data = image.heifsave_buffer(
        compression="av1",
        bitdepth=BITS if deep else 8,
        effort=0 if save_as.effort is None else round((save_as.effort - 1) * MAX_EFFORT / 8),
        subsample_mode="off" if save_as.lossless or save_as.subsampling == 444 else "on",
        keep="all",
        **kind,
    )
    with open(fd, "wb", closefd=False) as file:
        file.seek(0)
        file.write(data)
