"""TIFF files written by tifffile: strips, deflate with prediction, and EXIF behind the pixels."""

from __future__ import annotations

import os
import struct

import numpy as np
import tifffile

from twofold.imaging import exif, ifd, image_resources, tiff
from twofold.imaging.metadata import Metadata
from twofold.imaging.protocol import threads_here
from twofold.raster import Samples

STRIP_BYTES = 2**20
CLASSIC_TIFF_BYTES = 4 * 2**30 - 64 * 2**20  # beyond this, BigTIFF: noise does not shrink, and tags need room


def write(
    raster: Samples,
    alpha: Samples | None,
    metadata: Metadata,
    fd: int,
    *,
    big: bool,
    level: int,
    room: Samples | None = None,
) -> list[str]:
    """Write the whole file at the start of `fd`; returns warnings. Colours and alpha are joined in `room`, if given."""
    warnings: list[str] = []
    described: tuple[str, tiff.Directory] | None = None
    if metadata.exif is not None:
        try:
            described = tiff.described_by(metadata.exif)
        except ValueError as error:
            warnings.append(f"the EXIF block was dropped: {error}")
    samples = raster if alpha is None else np.concatenate([raster, alpha], axis=2, out=room)
    row_bytes = samples.shape[1] * samples.shape[2] * samples.itemsize
    blocks = {
        tiff.XMP: metadata.xmp,
        tiff.IPTC: image_resources.iptc_of(metadata.photoshop),
        tiff.PHOTOSHOP: metadata.photoshop,
    }
    extra = [(tag, 1, len(block), block, True) for tag, block in blocks.items() if block]
    with os.fdopen(os.dup(fd), "r+b") as file:
        file.seek(0)
        tifffile.imwrite(
            tifffile.FileHandle(file, name="result"),  # the file has no name to ask for
            samples if samples.shape[2] > 1 else samples[:, :, 0],
            bigtiff=big,
            byteorder=">" if (described[0] if described else metadata.order) == ">" else "<",
            photometric="rgb" if raster.shape[2] == 3 else "minisblack",
            planarconfig="contig" if samples.shape[2] > 1 else None,
            extrasamples=None if alpha is None else ["unassalpha"],
            rowsperstrip=max(1, STRIP_BYTES // row_bytes),
            compression="zlib",
            compressionargs={"level": level},
            predictor=True,
            maxworkers=threads_here(),
            resolution=metadata.dpi,
            resolutionunit=2 if metadata.dpi else 1,
            iccprofile=metadata.icc,
            extratags=extra,
            metadata=None,
            software=False,
        )
    if described is not None:
        _append_description(fd, *described)
    return warnings


def _append_description(fd: int, order: str, described: tiff.Directory) -> None:
    """Write the first directory anew at the end, with the description in it, and point the header there."""
    end = os.fstat(fd).st_size
    data = Window(fd, end)
    tree = ifd.open_tree(data)
    entries, _ = ifd.read_directory(data, tree, tree.first)
    own = {tag: tiff.Value(entry.type, entry.length, ifd.raw(data, entry)) for tag, entry in entries.items()}
    at = end + (end & 1)
    pointless = {exif.EXIF_IFD, exif.GPS_IFD} & own.keys()
    merged = described | {tag: value for tag, value in own.items() if tag not in pointless}
    os.pwrite(fd, tiff.pack(order, merged, at, big=tree.big), at)
    os.pwrite(fd, struct.pack(order + ("Q" if tree.big else "I"), at), 8 if tree.big else 4)


class Window:
    """A part of a file as bytes, read where it is asked for."""

    def __init__(self, fd: int, size_bytes: int, start: int = 0) -> None:
        self._fd = fd
        self._size_bytes = size_bytes
        self._start = start

    def __len__(self) -> int:
        return self._size_bytes

    def __getitem__(self, key: slice) -> bytes:
        start, stop, _ = key.indices(self._size_bytes)
        return os.pread(self._fd, max(0, stop - start), self._start + start)
