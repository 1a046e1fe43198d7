"""The formats of results: names, limits, and which one a picture gets."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size
from twofold.core.passes import PIXELS_PER_MEGAPIXEL, Chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import SaveAs
from twofold.core.settings import Limits


@dataclass(frozen=True, slots=True)
class Format:
    """One file format. `extensions` are lower case without the dot, the one we write first.

    `max_side_px` and `max_px` bound what a file can hold and be read back; `depth` is the deepest it keeps (bits per
    sample); a format without `grey` holds it as RGB; `writable` is False for formats that are read, or named in a
    recipe, but not written yet. `size_ratio` is a cautious share of the raw samples that a result takes on disk;
    `encode_s` are seconds per megapixel (measured).
    """

    name: str
    extensions: tuple[str, ...]
    max_side_px: int
    max_px: int | None = None
    depth: int = 8
    alpha: bool = True
    grey: bool = True
    lossless: bool = True
    writable: bool = True
    size_ratio: float = 1.0
    encode_s: float = 0.01

    @property
    def extension(self) -> str:
        return self.extensions[0]


MAX_SIDE_PX = 2**31 - 1

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
            lossless=False,
            size_ratio=0.4,
            encode_s=0.12,
        ),
        Format("tiff", ("tif", "tiff"), MAX_SIDE_PX, depth=16, encode_s=0.08),
        # libvips and libavif write wider files that cannot be read back
        Format("avif", ("avif",), 16384, lossless=False, writable=False, size_ratio=0.3),
        Format("jxl", ("jxl",), 2**30, depth=16, lossless=False, writable=False, size_ratio=0.4),
        Format("bmp", ("bmp", "dib"), MAX_SIDE_PX, alpha=False, writable=False),
        Format("gif", ("gif",), 65535, writable=False),
    )
}
EXTENSIONS = frozenset(extension for one in FORMATS.values() for extension in one.extensions)

WRITE_FORMATS = frozenset(one.name for one in FORMATS.values() if one.writable)
ALPHA_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].alpha)
GREY_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].grey)
DEEP_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].depth == 16)
LOSSLESS_FORMATS = frozenset(name for name in WRITE_FORMATS if FORMATS[name].lossless)

CLASSIC_TIFF_BYTES = 2**32 - 2**26  # offsets have 32 bits; 64 MiB are left for tags, profile and metadata

_KEPT_AS = {"bmp": "png", "gif": "png"}  # what "keep" writes for formats that only hold pictures to start from


def output_format(header: PictureHeader, save_as: SaveAs) -> Format:
    """The format a result is written in; "keep" goes by the content, whatever the file is called.

    Raises TwofoldError(UNSUPPORTED_FORMAT) where it cannot be written.
    """
    name = _KEPT_AS.get(header.format, header.format) if save_as.format == "keep" else save_as.format
    found = FORMATS.get(name)
    if found is None or not found.writable:
        raise TwofoldError(
            Code.UNSUPPORTED_FORMAT, f"{name} cannot be written", "Set save_as.format to jpeg, png, webp or tiff."
        )
    return found


def becoming(target: Format, save_as: SaveAs) -> frozenset[str]:
    """The extensions of pictures that a recipe writes as `target`, whose own they may be or not."""
    if save_as.format != "keep":
        return EXTENSIONS
    kept = [FORMATS[name] for name, result in _KEPT_AS.items() if result == target.name and name in FORMATS]
    return frozenset(extension for one in (target, *kept) for extension in one.extensions)


def output_depth(header: PictureHeader, target: Format) -> int:
    """Bits per sample of the result: the source's, or what the format keeps of it."""
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


def check_output(chain: Chain, header: PictureHeader, save_as: SaveAs, limits: Limits) -> Format:
    """Refuse before any work what could not be delivered, and return the format that it is delivered in.

    Raises TwofoldError: TOO_LARGE, UNSUPPORTED_FORMAT, FORMAT_LIMIT, NEEDS_BACKGROUND.
    """
    _check_megapixels("picture", chain.source.pixels, "limits.input_megapixels", limits.input_megapixels)
    _check_megapixels("result", chain.final.pixels, "limits.output_megapixels", limits.output_megapixels)
    target = output_format(header, save_as)
    check_fits(target.name, chain.final)
    if header.alpha and not target.alpha:
        raise TwofoldError(Code.NEEDS_BACKGROUND, f"the picture has transparency and {target.name} has none")
    return target


def _check_megapixels(what: str, pixels: int, key: str, megapixels: float) -> None:
    if pixels > megapixels * PIXELS_PER_MEGAPIXEL:
        raise TwofoldError(
            Code.TOO_LARGE, f"the {what} has {pixels / PIXELS_PER_MEGAPIXEL:.1f} MP, and {key} is {megapixels:g}"
        )
