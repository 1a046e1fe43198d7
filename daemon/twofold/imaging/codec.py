"""Pictures in and out, for the parent: each call is one fresh child process with a deadline and limits.

Everything blocks and may be called from any thread. Descriptors stay the caller's; positions in them may move.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS, Format
from twofold.core.geometry import Size
from twofold.core.pages import MAX_PAGE_BYTES, Contents
from twofold.core.picture import PictureHeader
from twofold.core.provenance import Provenance
from twofold.core.recipe import Convert, Pages, SaveAs
from twofold.imaging import protocol
from twofold.imaging.ask import ask
from twofold.imaging.bound import BoundPage
from twofold.imaging.change import PLAIN_WISHES, Change, Wishes
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster

PROBE_S = 20.0
PROBE_S_PER_BYTE = 2e-6  # of files of several pages: every one is read
BIND_S_PER_BYTE = 1e-6
ENCODE_BASE_S, ENCODE_S_PER_MPX = 60.0, 4.0  # some thirty times what was measured
ENCODE_SLACK = 30.0
EFFORT_SLACK = 10.0  # what a wish for small files may cost on top
_SHARE = 3  # limits are a multiple of the raster's bytes, which an encoder's own are not
_LOOK_BYTES_PER_PX = 4
_RGB = 3
HEADROOM_BYTES = 64 * 2**20  # what a file may be larger than its raw pixels: metadata, incompressible noise
COMPARED_BYTES = 96 * 2**20
"""What a comparison may hold (a multiple of it): formats that are only read whole are too large for it from some
hundred megapixels on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The owner's limits on files that come in (`pages` of one), and the processors that a codec may keep busy."""

    input_px: int = 1_000_000_000
    decode_s: float = 20.0
    threads: int = protocol.CODEC_THREADS
    pages: int = 2000


@dataclass(frozen=True, slots=True)
class Decoded:
    """An upright picture; `alpha` is (H, W, 1), and `opaque` tells that it hides nothing. Close it when done."""

    raster: SharedRaster
    alpha: SharedRaster | None
    opaque: bool
    metadata: Metadata

    def close(self) -> None:
        self.raster.close()
        if self.alpha is not None:
            self.alpha.close()


def probe(source_fd: int, limits: Limits, *, look: bool = False, pages: Pages = "skip") -> Contents:
    """What the file holds, from its structure: a picture, or pages, of which all or the first are told of.

    `look` decodes it once more for the statistics of its content (imaging.signals); of many pages, only some.

    Raises TwofoldError(EMPTY, NOT_A_PICTURE, UNSUPPORTED_FORMAT, DAMAGED, TOO_LARGE, UNREADABLE, DECODE_TIMEOUT,
    CODEC_FAILED, ENCRYPTED, BAD_ARCHIVE).
    """
    source_bytes = _regular_bytes(source_fd)
    several_s = 0.0 if pages == "skip" else PROBE_S + source_bytes * PROBE_S_PER_BYTE
    result = ask(
        {
            "operation": "probe",
            "source": source_fd,
            "input_px": limits.input_px,
            "look": look,
            "pages": pages,
            "limit_pages": limits.pages,
        },
        (source_fd,),
        source_bytes=source_bytes + (0 if pages == "skip" else MAX_PAGE_BYTES),
        raster_bytes=protocol.LOOK_PX * _LOOK_BYTES_PER_PX if look else 0,
        private_bytes=0 if pages == "skip" else source_bytes,
        deadline_s=min(PROBE_S, limits.decode_s) + several_s,
        threads=limits.threads,
    )
    return Contents.from_json(result["contents"])


def decode(
    source_fd: int,
    header: PictureHeader,
    limits: Limits,
    *,
    page: int | None = None,
    convert: Convert | None = None,
    background: str | None = None,
    raster_fd: int | None = None,
    alpha_fd: int | None = None,
) -> Decoded:
    """Decode the whole picture, or one page of a file, upright, into new memory files, or into the scratch files given.

    `convert` names the colour space wanted; CMYK and Lab become sRGB without it. With a `background` ("#rrggbb", in
    the picture's own colours) what is transparent is laid over it, and there is no alpha.

    Raises TwofoldError(DAMAGED, UNSUPPORTED_FORMAT, DECODE_TIMEOUT, CODEC_FAILED, DISK_FULL).
    """
    source_bytes = _regular_bytes(source_fd)
    raster = SharedRaster.create(header.size, header.channels, header.depth, raster_fd)
    alpha = None
    try:
        if header.alpha:
            alpha = SharedRaster.create(header.size, 1, header.depth, alpha_fd)
        result = ask(
            {
                "operation": "decode",
                "source": source_fd,
                "page": page,
                "header": header.to_json(),
                "raster": raster.to_json(),
                "alpha": None if alpha is None else alpha.to_json(),
                "convert": convert,
                "background": background,
            },
            (source_fd, *_fds(raster, alpha)),
            source_bytes=source_bytes + (0 if page is None else MAX_PAGE_BYTES),
            raster_bytes=_bytes(raster, alpha),
            private_bytes=0 if page is None else source_bytes,
            deadline_s=limits.decode_s,
            threads=limits.threads,
        )
    except TwofoldError:
        for made, given in ((raster, raster_fd), (alpha, alpha_fd)):
            if made is not None and given is None:
                made.close()
        raise
    if alpha is not None and background is not None:
        alpha.close()
        alpha = None
    return Decoded(raster, alpha, result["opaque"], Metadata.from_json(result["metadata"]))


def encode(
    raster: SharedRaster,
    alpha: SharedRaster | None,
    metadata: Metadata,
    save_as: SaveAs,
    result_fd: int,
    wishes: Wishes = PLAIN_WISHES,
    *,
    room_fd: int | None = None,
    threads: int = protocol.CODEC_THREADS,
) -> tuple[str, ...]:
    """Write a whole file from the start of `result_fd` (read and write, empty); returns warnings about metadata.

    `room_fd` is a scratch file of `room_bytes` for what would else be held in memory a second time.
    `save_as` is settled (core.formats.Saving): its format is the name of one that can be written.
    Raises TwofoldError(FORMAT_LIMIT, NEEDS_BACKGROUND, DISK_FULL, CODEC_FAILED).
    """
    format_ = FORMATS[save_as.format]
    result = ask(
        {
            "operation": "encode",
            "raster": raster.to_json(),
            "alpha": None if alpha is None else alpha.to_json(),
            "metadata": metadata.to_json(),
            "save_as": asdict(save_as),
            "wishes": wishes.to_json(),
            "result": result_fd,
            "room": room_fd,
        },
        (result_fd, *_fds(raster, alpha, room_fd)),
        raster_bytes=_bytes(raster, alpha) + _encoder_bytes(raster, alpha, format_) // _SHARE,
        deadline_s=_encode_s(raster, format_, save_as),
        written_bytes=_bytes(raster, alpha) * 5 // 4 + HEADROOM_BYTES,
        threads=threads,
    )
    return tuple(result["warnings"])


def verify(
    result_fd: int,
    metadata: Metadata,
    save_as: SaveAs,
    raster: SharedRaster,
    alpha: SharedRaster | None,
    *,
    room_fd: int | None = None,
    threads: int = protocol.CODEC_THREADS,
) -> dict[str, Any]:
    """Decode a written file again, by another library, and compare it with what `encode` was given.

    Lossless formats must give the same samples, lossy ones a small mean difference (returned, of 255). It is decoded
    into the scratch file `room_fd` (of `room_bytes`), else in memory.
    Raises TwofoldError(VERIFY_FAILED, CODEC_FAILED).
    """
    return ask(
        {
            "operation": "verify",
            "source": result_fd,
            "metadata": metadata.to_json(),
            "save_as": asdict(save_as),
            "raster": raster.to_json(),
            "alpha": None if alpha is None else alpha.to_json(),
            "room": room_fd,
        },
        (result_fd, *_fds(raster, alpha, room_fd)),
        source_bytes=_regular_bytes(result_fd),
        raster_bytes=_bytes(raster, alpha),
        deadline_s=ENCODE_BASE_S + ENCODE_S_PER_MPX * raster.size.pixels / 1e6,
        threads=threads,
    )


def room_bytes(raster: SharedRaster, alpha: SharedRaster | None) -> int:
    """How large the scratch file of `encode` and `verify` is: the picture once more; formats without grey hold RGB."""
    return raster.size.pixels * (_RGB + (alpha is not None)) * (raster.depth // 8)


def _encode_s(raster: SharedRaster, format_: Format, save_as: SaveAs) -> float:
    """The deadline of an encoder."""
    slack = ENCODE_SLACK * (1 if save_as.effort is None else EFFORT_SLACK)
    return ENCODE_BASE_S + max(ENCODE_S_PER_MPX, format_.encode_s * slack) * raster.size.pixels / 1e6


def _encoder_bytes(raster: SharedRaster, alpha: SharedRaster | None, format_: Format) -> int:
    return format_.encode_bytes[alpha is not None] * raster.size.pixels * raster.depth // 8


def bind(
    source_fd: int, stack_fd: int, result_fd: int, pages: Sequence[BoundPage], *, review: bool, look_bytes: int
) -> int:
    """Write one file of the source's kind into the empty `result_fd`: `pages` stand in `stack_fd`. Returns how many
    pages of the source stay as they are.

    With `review` a written file is read by another library, and compared page by page, each of at most `look_bytes`
    of samples. Raises TwofoldError(DISK_FULL, FORMAT_LIMIT, CODEC_FAILED, VERIFY_FAILED).
    """
    sizes = [os.fstat(fd).st_size for fd in (source_fd, stack_fd, result_fd)]
    result = ask(
        {
            "operation": "bind",
            "source": source_fd,
            "stack": stack_fd,
            "result": result_fd,
            "review": review,
            "pages": [page.to_json() for page in pages],
        },
        (source_fd, stack_fd, result_fd),
        source_bytes=sum(sizes) + MAX_PAGE_BYTES,
        raster_bytes=look_bytes,
        private_bytes=max((page.size for page in pages), default=0) * _SHARE,
        deadline_s=ENCODE_BASE_S + BIND_S_PER_BYTE * sum(sizes) + ENCODE_S_PER_MPX * _megapixels(pages),
        written_bytes=0 if review else sizes[0] + sizes[1] * 5 // 4 + HEADROOM_BYTES,
    )
    return int(result["left"])


def _megapixels(pages: Sequence[BoundPage]) -> float:
    return sum(page.width * page.height for page in pages) / 1e6


def correct_sidecar(source_fd: int, result_fd: int, change: Change) -> None:
    """Write an XMP file as it has to be beside the result of `change`. Raises TwofoldError(DAMAGED, CODEC_FAILED)."""
    source_bytes = _regular_bytes(source_fd)
    ask(
        {
            "operation": "sidecar",
            "source": source_fd,
            "result": result_fd,
            "before": list(change.before),
            "after": list(change.after),
            "orientation": change.orientation,
            "wishes": change.wishes.to_json(),
        },
        (source_fd, result_fd),
        source_bytes=source_bytes,
        deadline_s=PROBE_S,
        written_bytes=2 * source_bytes + HEADROOM_BYTES,
    )


def compare(
    source_fd: int,
    enlarged_fd: int,
    result_fd: int,
    sizes: tuple[Size, Size],
    labels: tuple[str, str, str],
    provenance: Provenance,
    *,
    threads: int = protocol.CODEC_THREADS,
) -> None:
    """Draw the source, enlarged by Lanczos, beside what was made of it, as a PNG that is marked as one of ours.

    `sizes` are those of the two, upright; `labels` are the title and what stands above each of the two columns.
    Raises TwofoldError(DAMAGED, UNSUPPORTED_FORMAT, DISK_FULL, CODEC_FAILED).
    """
    ask(
        {
            "operation": "compare",
            "source": source_fd,
            "enlarged": enlarged_fd,
            "result": result_fd,
            "before": list(sizes[0]),
            "after": list(sizes[1]),
            "labels": list(labels),
            "provenance": provenance.to_json(),
        },
        (source_fd, enlarged_fd, result_fd),
        source_bytes=_regular_bytes(source_fd) + _regular_bytes(enlarged_fd),
        raster_bytes=COMPARED_BYTES,
        deadline_s=ENCODE_BASE_S + ENCODE_S_PER_MPX * sum(size.pixels for size in sizes) / 1e6,
        written_bytes=HEADROOM_BYTES,
        threads=threads,
    )


def _regular_bytes(fd: int) -> int:
    """The size of a regular file; anything else (a pipe would block for ever) is refused."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise TwofoldError(Code.UNREADABLE, "The path is not a regular file.", "Remove it from the inbox.")
    return status.st_size


def _fds(raster: SharedRaster, alpha: SharedRaster | None, room_fd: int | None = None) -> tuple[int, ...]:
    found = (raster.fd, None if alpha is None else alpha.fd, room_fd)
    return tuple(fd for fd in found if fd is not None)


def _bytes(raster: SharedRaster, alpha: SharedRaster | None) -> int:
    return raster.bytes + (0 if alpha is None else alpha.bytes)
