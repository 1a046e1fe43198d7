"""docs/formats.md, written from small pictures that are put through the codecs: python -m tests.imaging.matrix"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from tests.imaging.pictures import decoded, encoded, noise
from tests.imaging.sources import EXTRAS, Kind, refusals, sources
from twofold.core.formats import FORMATS, KEPT_AS, WRITE_FORMATS, Format
from twofold.core.passes import PIXELS_PER_MEGAPIXEL
from twofold.imaging.inspection import inspect
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster

HEAD = """\
# Formats

What Twofold reads and writes, by content: a file's name decides nothing, and a wrong extension is corrected in the
result's name. This page is written by `make docs` from pictures that went through the codecs; a test holds it to them.
"""
READ = """\
## Read

Samples are 8 or 16 bits inside; what has fewer bits, a palette or a transparent colour becomes what it shows. More than
8 bits stay more than 8. Embedded RGB and grey profiles stay byte for byte, and pictures without one stay without.
CMYK and Lab become sRGB (or what `convert` says), by the profile inside.

| format | what | becomes | kept as |
|---|---|---|---|
"""
EXTRA = """
HEIC needs `pip install 'twofold[heic]'` (pillow-heif; its wheel holds x265, under the GPL-2.0), camera raw
`'twofold[raw]'` (rawpy, MIT; LibRaw, under the LGPL-2.1 or the CDDL-1.0). Without them such files wait, with the code
`missing_extra`, and go on by themselves once the package is there; `twofold doctor` counts them. Raw files are
developed with LibRaw's defaults and the camera's white balance. HEIC's other pictures (depth, gain map) are left out.
"""
PAGES = """
## Several pages or frames

`pages` in the recipe (`--pages` of `upscale` and `plan`) says what becomes of them: `skip` (the default; code
`animated`), `first` (that page or frame alone, as a still picture), or `all` (one file of as many).

| file | with `all` becomes | what is kept |
|---|---|---|
| comic archive (cbz, zip) | the same archive with larger pages | order, names, times, attributes, comments, packing (stored or deflated); all other files byte for byte |
| TIFF of several pages | a TIFF of as many | size, mode, depth, profile and metadata of each page; reduced copies between them are left out |
| animated WebP | an animated WebP, lossless where every frame was | frames as they are shown, their times, the loop count |
| animated PNG (APNG) | an animated PNG | the same |
| animated GIF | an animated PNG, as a still GIF becomes a PNG | the same; enlarged frames have more than a GIF's 256 colours |

- A zip is one by its content. An archive called `.cbz` is a comic where it holds a picture; any other where at least
  half of its files are pictures, else it is skipped (`no_pages`). Files called `.zip` are looked into only where the
  recipe says `pages: all`; elsewhere the rule `zip_archive` leaves them alone. `first` skips archives: one page would
  be no use.
- Pages are the entries that are pictures by content, in the archive's own order; hidden files and the like are none.
  A page that stays in its format keeps its name, right or wrong; where `save_as.format` changes it, the extension
  follows.
- `models: [auto]` makes one choice for all pages, by eight of them. All frames of an animation go through the same
  networks.
- A page that is damaged, or cannot be written, fails the archive, and is named; with `on_bad_page: copy` it stays as
  it is. Pages that are as large as the target already stay as they are (TIFF: unenlarged).
- `save_as.format` may name png or webp for animations, tiff for TIFF; other formats hold one picture, and are
  refused. Animations of more than 8 bits, animated AVIF, JPEG XL and HEIC are not taken apart.
- Refused: encrypted archives (`encrypted`); names that are double, absolute or lead out (`bad_archive`); more pages
  than `limits.pages`, four times as many entries, a page of more than 512 MiB or an archive of more than 32 GiB
  unpacked (`too_large`). Nothing is ever unpacked under its name.
- Each page is read back as a single picture is, and the bound file once more: archives by Python's zipfile, TIFF by
  libvips, animations by Pillow.
"""  # noqa: E501  rows of a table have no other end
WRITTEN = """\
## Written

*exact*: sample by sample. *lossy*: `save_as.quality`, or exact with `save_as.lossless: true` where the next column says
so; a lossless WebP or JPEG XL that is kept stays lossless. *n bits*: rounded once, at the end.

| format | lossless | {kinds} | largest |
|---|---|---{dashes}|---|
"""
NOTES = """
- Transparency into JPEG needs `save_as.background`; without it the file is refused before any work.
- What is larger than its format holds is refused before any work, or written as `save_as.on_too_large` says.
- WebP and AVIF hold grey as RGB; a grey profile is then converted to sRGB.
- Lossy JPEG XL keeps the usual profiles by their names: the same colours, other bytes.
- Fully opaque stays opaque: WebP leaves such a channel out, all others keep it.
- `save_as.match_source` writes a JPEG with the quantisation tables and the chroma subsampling of the JPEG it came from.
- Each result is read back before it is delivered. libvips writes JPEG, PNG, WebP and AVIF (by libheif), imagecodecs
  reads them (AVIF by libavif); tifffile writes TIFF, libvips reads it. For JPEG XL there is only libjxl, for both.

## Refused

Something in these would be lost, so they fail with the code `unsupported_format` and say what to do.

"""


def outcome(name: str, channels: int, depth: int, *, alpha: bool, lossless: bool | None = None) -> str:
    """What becomes of such a picture in the format, found out by writing one."""
    format_ = FORMATS[name]
    if alpha and not format_.alpha:
        return "`background`"
    samples, cover = noise(channels, depth), np.maximum(noise(1, depth), 1)
    raster, coverage = SharedRaster.copy_of(samples), SharedRaster.copy_of(cover) if alpha else None
    wishes = {} if lossless is None else {"lossless": lossless}
    data, _ = encoded(name, raster, coverage, Metadata(), **wishes)
    back = decoded(data)
    found = back.raster.array()
    same = found.dtype == samples.dtype and bool((found == samples).all())
    if alpha and back.alpha is not None:
        same = same and bool((back.alpha.array() == cover).all())
    raster.close()
    back.close()
    if same:
        return "exact" if found.shape[2] == channels else "exact, as RGB"
    words = ["lossy"]
    if inspect(data).header.depth < depth:
        words.append("8 bits")
    elif depth == 16 and format_.bits:
        words.append(f"{format_.bits} bits")
    if found.shape[2] != channels:
        words.append("as RGB")
    return ", ".join(words)


def page() -> str:
    parts = [HEAD, READ + "\n".join(_read_rows()), EXTRA, PAGES, *_written()]
    refused = "\n".join(f"- {refusal.what}" for refusal in refusals())
    return "\n".join(parts) + NOTES + refused + "\n"


def _read_rows() -> Iterator[str]:
    for kind in sorted(sources(), key=lambda kind: list(FORMATS).index(kind.format)):
        extra = " (extra)" if kind.format in EXTRAS else ""
        kept = KEPT_AS.get(kind.format, kind.format)
        yield f"| {kind.format}{extra} | {kind.what} | {_becomes(kind)} | {kept} |"


def _becomes(kind: Kind) -> str:
    words = ["grey" if kind.channels == 1 else "RGB", f"{kind.depth} bits"]
    return ", ".join([*words, *(["alpha"] if kind.alpha else [])])


def _written() -> Iterator[str]:
    kinds = list(product((1, 3), (8, 16), (False, True)))
    titles = [f"{'grey' if c == 1 else 'RGB'}{' + alpha' if a else ''} {d}" for c, d, a in kinds]
    rows = WRITTEN.format(kinds=" | ".join(titles), dashes="|---" * len(titles))
    for name in FORMATS:
        if name in WRITE_FORMATS:
            cells = [outcome(name, channels, depth, alpha=alpha) for channels, depth, alpha in kinds]
            rows += f"| {name} | {_lossless(FORMATS[name])} | {' | '.join(cells)} | {_largest(FORMATS[name])} |\n"
    yield rows


def _lossless(format_: Format) -> str:
    return {True: "always", False: "never", None: "`lossless: true`"}[format_.lossless]


def _largest(format_: Format) -> str:
    side = f"{format_.max_side_px} px a side"
    return side if format_.max_px is None else f"{side}, {format_.max_px // PIXELS_PER_MEGAPIXEL} MP"


if __name__ == "__main__":
    print(page(), end="")
