"""Drawings, text and screens, rendered from vectors: makes the patch set of `twofold-art-2x` and its held-out pictures.

`python -m training.art`. Clip art is the Debian package openclipart-svg (public domain), fonts are those of FONTS.
Drawings and fonts marked as held out are in no patch; they make the pictures of `validation-art/`.
"""

import argparse
import pathlib
import sys

import numpy as np
import pyvips
from PIL import Image, ImageDraw, ImageFont

from training import patches, prepare, sources, synthetic

CLIP_ART = "openclipart-svg"
FONTS = (
    "fonts-dejavu-core",
    "fonts-lato",
    "fonts-liberation2",
    "fonts-comic-neue",
    "fonts-ebgaramond",
    "fonts-takao-gothic",
)
HELD_OUT_FONTS = ("fonts-hack", "fonts-lobster")
HELD_OUT_EACH = 40  # of the drawings
DRAWINGS = 3000
SCREENS = 60
TEXTS = 90
SHAPES = 60
LONGEST_SOURCE_BYTES = 300_000  # larger drawings are scans traced by machine, and slow
VALIDATION_PX = 512
KANA = "あいうえおかきくけこさしすせそたちつてとアイウエオカキクケコ日本語画像縮拡大小山川花鳥風月"


def drawings(cache: pathlib.Path, *, held_out: bool) -> list[pathlib.Path]:
    """The clip art to learn from, or that which is held out; in the order of names."""
    found = sorted(sources.unpack_package(CLIP_ART, cache).glob("**/*.svg"))
    chosen = [path for at, path in enumerate(found) if (at % HELD_OUT_EACH == 0) == held_out]
    return [path for path in chosen if is_public_domain(path)]


def is_public_domain(path: pathlib.Path) -> bool:
    """Whether the drawing's own metadata say so; a few of the package name no licence, or another."""
    data = path.read_bytes().lower().replace(b" ", b"")
    return b"publicdomain" in data and b"licenses/gpl" not in data


def fonts(cache: pathlib.Path, *, held_out: bool) -> list[pathlib.Path]:
    """Font files, by package and name."""
    folders = [sources.unpack_package(name, cache) for name in (HELD_OUT_FONTS if held_out else FONTS)]
    return [path for folder in folders for path in sorted(folder.glob("**/*.[ot]tf"))]


def summary() -> list[dict[str, str]]:
    """What this module adds to the sources of a network's card."""
    return [
        {
            "source": f"deb:{CLIP_ART} (rendered at random sizes; drawings not marked as public domain are left out)",
            "license": "public domain",
            "by": "the contributors of the Open Clip Art Library",
            "pictures": f"up to {DRAWINGS}",
        },
        {
            "source": f"random text rendered in the fonts of deb:{', deb:'.join(FONTS)}",
            "license": "fonts: Bitstream Vera, OFL-1.1, IPA-1; renderings: Apache-2.0",
            "by": "the Twofold project",
            "pictures": "generated",
        },
    ]


def rasterise(path: pathlib.Path, side_px: int, background: tuple[int, int, int]) -> Image.Image | None:
    """A drawing whose longer side has `side_px`, on a colour; None where it cannot be read or is nearly empty."""
    if path.stat().st_size > LONGEST_SOURCE_BYTES:
        return None
    try:
        image = pyvips.Image.thumbnail(str(path), side_px, height=side_px, size="both")
        if image.hasalpha():
            image = image.flatten(background=list(background))
        pixels = image.colourspace("srgb").cast("uchar").numpy()[..., :3]
    except (pyvips.Error, ValueError):
        return None
    if pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < patches.SIDE or pixels.std() < 8:
        return None
    return Image.fromarray(np.ascontiguousarray(pixels))


def drawing_canvas(path: pathlib.Path, rng: np.random.Generator, side_px: int | None = None) -> Image.Image | None:
    """One drawing on white or on a colour, at a random size."""
    background = (255, 255, 255) if rng.random() < 0.6 else synthetic.colour(rng)
    return rasterise(path, side_px or int(rng.integers(180, 720)), background)


def screen_canvas(
    rng: np.random.Generator, faces: list[pathlib.Path], side_px: int = synthetic.CANVAS_PX
) -> Image.Image:
    """Something like a screenshot: panels with hard one-pixel borders, small text as a screen renders it, buttons."""
    dark = rng.random() < 0.35
    paper, ink = ((32, 34, 37), (222, 222, 222)) if dark else ((250, 250, 250), (33, 33, 33))
    image = Image.new("RGB", (side_px, side_px), paper)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(8, 22))):
        left, top = (int(v) for v in rng.integers(0, side_px - 40, 2))
        right, bottom = left + int(rng.integers(60, 420)), top + int(rng.integers(24, 300))
        fill = paper if rng.random() < 0.5 else synthetic.colour(rng)
        text = ink if fill == paper else ((255, 255, 255) if sum(fill) < 384 else (0, 0, 0))
        draw.rounded_rectangle((left, top, right, bottom), int(rng.choice([0, 0, 4, 8, 16])), fill, outline=ink)
        size = int(rng.integers(9, 20))
        face = faces[int(rng.integers(len(faces)))]
        font = ImageFont.truetype(str(face), size)
        kana = "Takao" in face.name
        for y in range(top + 4, bottom - size - 2, int(size * 1.4)):
            draw.text((left + 6, y), line(rng, (right - left - 12) // (size // 2 + 1), kana=kana), fill=text, font=font)
    return image


def line(rng: np.random.Generator, length: int, *, kana: bool) -> str:
    """Words of random letters, at most `length` in all, in half the cases Japanese ones where the font has them."""
    letters = list(KANA if kana and rng.random() < 0.5 else synthetic.LETTERS)
    words: list[str] = []
    while sum(map(len, words)) + len(words) < length:
        words.append("".join(rng.choice(letters, int(rng.integers(1, 11)))))
    return " ".join(words)[: max(1, length)]


def training_patches(cache: pathlib.Path, rng: np.random.Generator) -> list[patches.PatchSet]:
    """Patches of drawings, screens, text and shapes."""
    faces = fonts(cache, held_out=False)
    found = drawings(cache, held_out=False)
    chosen = [found[int(at)] for at in rng.permutation(len(found))[:DRAWINGS]]
    canvases = [canvas for path in chosen if (canvas := drawing_canvas(path, rng)) is not None]
    print(f"{len(canvases)} drawings", file=sys.stderr, flush=True)
    canvases += [screen_canvas(rng, faces) for _ in range(SCREENS)]
    canvases += [synthetic.text_canvas(rng, faces) for _ in range(TEXTS)]
    canvases += [synthetic.shape_canvas(rng) for _ in range(SHAPES)]
    made = [patches.cut(canvas, rng, smooth_share=0.03) for canvas in canvases if min(canvas.size) >= patches.SIDE]
    tiles = [synthetic.flat_patch(rng, patches.SIDE) for _ in range(prepare.FLAT_PATCHES)]
    tiles += [synthetic.gradient_patch(rng, patches.SIDE) for _ in range(prepare.GRADIENT_PATCHES)]
    return [*made, patches.from_tiles(tiles)]


def save_validation(cache: pathlib.Path, seed: int, drawn: int = 12) -> int:
    """Writes held-out drawings, two screens and two texts in held-out fonts; returns their number."""
    folder = cache / "validation-art"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed + 1000)
    faces = fonts(cache, held_out=True)
    found = drawings(cache, held_out=True)
    made: list[Image.Image] = []
    for at in rng.permutation(len(found)):
        canvas = drawing_canvas(found[int(at)], rng, VALIDATION_PX)
        if canvas is not None and len(made) < drawn:
            made.append(canvas)
    for _ in range(2):
        made.append(screen_canvas(rng, faces).crop((0, 0, VALIDATION_PX, VALIDATION_PX)))
        made.append(synthetic.text_canvas(rng, faces).crop((0, 0, VALIDATION_PX, VALIDATION_PX)))
    for number, image in enumerate(made):
        image.crop((0, 0, image.width // 4 * 4, image.height // 4 * 4)).save(folder / f"art-{number:02}.png")
    return len(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=prepare.DEFAULT_CACHE)
    parser.add_argument("--out", default="art", help="name of the patch set below the cache")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{save_validation(options.cache, options.seed)} held-out pictures")
    made = training_patches(options.cache, np.random.default_rng(options.seed))
    notes: dict[str, object] = {"seed": options.seed, "clip_art": CLIP_ART, "fonts": list(FONTS)}
    print(f"{patches.save(made, options.cache / options.out, notes)} patches")


if __name__ == "__main__":
    main()
