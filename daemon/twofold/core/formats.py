"""The formats of pictures: names, limits, and which one a result gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.passes import PIXELS_PER_MEGAPIXEL, Chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import SaveAs, SaveFormat
from twofold.core.settings import Limits


@dataclass(frozen=True, slots=True)
class Format:
    """One file format. `extensions` are lower case without the dot, the one we write first.

    `max_side_px` and `max_px` bound what a file can hold and be read back; `depth` is that of the raster it is written
    from (bits per sample), of which it keeps `bits` (None: all); a format without `grey` holds it as RGB; `lossless`
    None means that it has both kinds; `writable` is False for formats that are only read. `size_ratio` is a cautious
    share of the raw samples that a result takes on disk; `encode_s` are seconds per megapixel, and `encode_bytes` what
    an encoder that does not work row by row holds per pixel and 8 bits, without and with alpha (both measured).
    """

    name: str
    extensions: tuple[str, ...]
    max_side_px: int
    max_px: int | None = None
    depth: int = 8
    bits: int | None = None
    alpha: bool = True
    grey: bool = True
    lossless: bool | None = True
    writable: bool = True
    size_ratio: float = 1.0
    encode_s: float = 0.01
    encode_bytes: tuple[int, int] = (0, 0)

    @property
    def extension(self) -> str:
        return self.extensions[0]


@dataclass(frozen=True, slots=True)
class Saving:
    """How one result is written: `save_as` with everything settled that it left to the picture."""

    format: Format
    save_as: SaveAs


MAX_SIDE_PX = 2**31 - 1
_RAW = ("dng", "nef", "nrw", "cr2", "cr3", "arw", "sr2", "orf", "rw2", "raf", "pef", "srw", "erf", "mrw", "3fr", "iiq")

FORMATS = {
    one.name: one
    for one in (
        # libjpeg's own limit; the format's is 65535
        Format("jpeg", ("jpg", "jpeg", "jpe", "jfif"), 65500, alpha=False, lossless=False, size_ratio=0.4),
        Format("png", ("png",), MAX_SIDE_PX, depth=16, size_ratio=0.8, encode_s=0.1),
        # lossy WebP overflowed its first partition at 192 MP (measured), well within its side limit
        Format(
            "webp",
            ("webp",),
            16383,
            max_px=128 * PIXELS_PER_MEGAPIXEL,
            grey=False,
            lossless=None,
            size_ratio=0.4,
            encode_s=0.12,
            encode_bytes=(6, 14),
        ),
        Format("tiff", ("tif", "tiff"), MAX_SIDE_PX, depth=16, encode_s=0.08),
        # libvips and libavif write wider files that cannot be read back. Twelve bits few programs show.
        Format(
            "avif",
            ("avif",),
            16384,
            depth=16,
            bits=10,
            grey=False,
            lossless=None,
            size_ratio=0.3,
            encode_s=0.9,
            encode_bytes=(40, 58),
        ),
        # the limits of the level that every decoder has to reach
        Format(
            "jxl",
            ("jxl",),
            2**18,
            max_px=2**28,
            depth=16,
            lossless=None,
            size_ratio=0.4,
            encode_s=0.3,
            encode_bytes=(22, 30),
        ),
        Format("bmp", ("bmp", "dib"), MAX_SIDE_PX, alpha=False, writable=False),
        Format("gif", ("gif",), 65535, writable=False),
        Format("heic", ("heic", "heif", "hif"), 32768, depth=16, lossless=False, writable=False),
        Format("raw", _RAW, MAX_SIDE_PX, depth=16, alpha=False, writable=False),
    )
}
EXTENSIONS = frozenset(extension for one in FORMATS.values() for extension in one.extensions)

ARCHIVE = Format("zip", ("cbz", "zip"), 0, writable=False)
"""What holds the pages of a comic; no picture's format."""

WRITE_FORMATS = frozenset(one.name for one in FORMATS.values() if one.writable)
ALPHA_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].alpha)
GREY_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].grey)
DEEP_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].depth == 16)

# What "keep" writes for formats that only hold pictures to start from.
KEPT_AS = {"bmp": "png", "gif": "png", "heic": "jpeg", "raw": "jpeg"}


def output_format(header: PictureHeader, save_as: SaveAs) -> Format:
    """The format a result is written in; "keep" goes by the content, whatever the file is called.

    Raises TwofoldError(UNSUPPORTED_FORMAT) where it cannot be written.
    """
    name = KEPT_AS.get(header.format, header.format) if save_as.format == "keep" else save_as.format
    found = FORMATS.get(name)
    if found is None or not found.writable:
        raise TwofoldError(
            Code.UNSUPPORTED_FORMAT,
            f"{name} cannot be written",
            "Set save_as.format to jpeg, png, webp, tiff, avif or jxl.",
        )
    return found


def becoming(target: Format, save_as: SaveAs) -> frozenset[str]:
    """The extensions of pictures that a recipe writes as `target`, whose own they may be or not."""
    if target is ARCHIVE:
        return frozenset(target.extensions)
    if save_as.format != "keep" or save_as.on_too_large == target.name:
        return EXTENSIONS
    kept = [FORMATS[name] for name, result in KEPT_AS.items() if result == target.name and name in FORMATS]
    return frozenset(extension for one in (target, *kept) for extension in one.extensions)


def output_depth(header: PictureHeader, target: Format) -> int:
    """Bits per sample of the result's raster: the source's, or what the format keeps of it."""
    return min(header.depth, target.depth)


def check_fits(name: str, size: Size) -> None:
    """Refuse a picture of `size` in the format `name` where a file could not hold it: TwofoldError(FORMAT_LIMIT)."""
    target = FORMATS[name]
    limit = ""
    if size.long_side > target.max_side_px:
        limit = f"ends at {target.max_side_px} px a side"
    elif target.max_px is not None and size.pixels > target.max_px:
        limit = f"is safe up to {target.max_px // PIXELS_PER_MEGAPIXEL} MP"
    if limit:
        raise TwofoldError(Code.FORMAT_LIMIT, f"the result is {size.width} x {size.height}, and {name} {limit}")


def check_output(chain: Chain, header: PictureHeader, save_as: SaveAs, limits: Limits) -> Saving:
    """Refuse before any work what could not be delivered, and return how it is delivered.

    Raises TwofoldError: TOO_LARGE, UNSUPPORTED_FORMAT, FORMAT_LIMIT, NEEDS_BACKGROUND.
    """
    _check_megapixels("picture", chain.source.pixels, "limits.input_megapixels", limits.input_megapixels)
    _check_megapixels("result", chain.final.pixels, "limits.output_megapixels", limits.output_megapixels)
    target = output_format(header, save_as)
    try:
        check_fits(target.name, chain.final)
    except TwofoldError:
        if save_as.on_too_large == "fail":
            raise
        target = FORMATS[save_as.on_too_large]
        check_fits(target.name, chain.final)
    if header.alpha and not target.alpha and save_as.background is None:
        raise TwofoldError(Code.NEEDS_BACKGROUND, f"the picture has transparency and {target.name} has none")
    return Saving(target, _settled(header, target, save_as))


def _settled(header: PictureHeader, target: Format, save_as: SaveAs) -> SaveAs:
    """The recipe's wishes for one picture; those that its format cannot have are gone."""
    lossless = target.lossless
    if lossless is None:
        kept = header.lossless and header.format == target.name
        lossless = kept if save_as.lossless is None else save_as.lossless
    grey_profile = header.channels == 1 and header.icc_bytes > 0  # which is not for RGB
    return replace(
        save_as,
        format=cast(SaveFormat, target.name),
        lossless=lossless,
        match_source=save_as.match_source and header.format == target.name == "jpeg",
        background=save_as.background if header.alpha and not target.alpha else None,
        convert=save_as.convert or ("srgb" if grey_profile and not target.grey else None),
    )


def _check_megapixels(what: str, pixels: int, key: str, megapixels: float) -> None:
    if pixels > megapixels * PIXELS_PER_MEGAPIXEL:
        raise TwofoldError(
            Code.TOO_LARGE, f"the {what} has {pixels / PIXELS_PER_MEGAPIXEL:.1f} MP, and {key} is {megapixels:g}"
        )
