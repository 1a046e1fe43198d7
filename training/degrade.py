"""What the web does to pictures: makes the patch set of `twofold-web-2x` from a clean one.

`python -m training.degrade --rounds 3`, then train with `--name twofold-web-2x --data web --chain-share 0
--enlarged-share 0 --frequency-weight 0.02`. Not degraded: one sample in 25, so that clean pictures stay good.
"""

import argparse
import dataclasses
import io
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from training import patches, prepare

KERNELS = (
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.LANCZOS,
    Image.Resampling.HAMMING,
    Image.Resampling.BOX,
)
SUBSAMPLINGS = (0, 2, 2)  # Pillow's 4:4:4 and 4:2:0; most of the web is 4:2:0
BLOCK_PX = 16  # a 4:2:0 JPEG's unit: its grid starts anywhere in a patch


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One sample's history. Sizes in low-resolution pixels, sigma of noise in 8-bit levels."""

    kernel: Image.Resampling
    detour: float  # resized to this share of its size and back before saving; 1 is none
    blur_px: float
    noise: float
    grey_noise: bool
    webp: bool
    quality: int  # 0: not compressed
    first_quality: int  # an earlier JPEG, before the last resize; 0 is none
    subsampling: int


def draw(rng: np.random.Generator) -> Recipe:
    """A random history: one compression nearly always, all else seldom and mildly.

    Where much of it is uncertain, a small network learns to smooth everything. Most qualities are those that the
    network is chosen for (core/content.py: below 80).
    """
    clean = rng.random() < 0.04
    return Recipe(
        kernel=KERNELS[0] if clean or rng.random() < 0.5 else KERNELS[int(rng.integers(len(KERNELS)))],
        detour=1.0 if clean or rng.random() < 0.9 else float(rng.uniform(0.75, 1.3)),
        blur_px=0.0 if clean or rng.random() < 0.85 else float(rng.uniform(0.2, 0.6)),
        noise=0.0 if clean or rng.random() < 0.8 else float(rng.gamma(1.5, 1.0)),
        grey_noise=bool(rng.random() < 0.4),
        webp=bool(rng.random() < 0.12),
        quality=0 if clean else int(rng.integers(30, 86 if rng.random() < 0.9 else 96)),
        first_quality=0 if clean or rng.random() < 0.85 else int(rng.integers(50, 96)),
        subsampling=SUBSAMPLINGS[int(rng.integers(len(SUBSAMPLINGS)))],
    )


def draw_common(rng: np.random.Generator) -> Recipe:
    """What is met most: reduced, then saved once as a JPEG of middling quality."""
    return Recipe(KERNELS[0], 1.0, 0.0, 0.0, False, False, int(rng.integers(35, 71)), 0, SUBSAMPLINGS[1])


def compress(image: Image.Image, quality: int, subsampling: int, *, webp: bool, offset: tuple[int, int]) -> Image.Image:
    """Saves and reads back, the block grid moved by `offset` (right, down), each below BLOCK_PX."""
    right, down = offset
    array = np.pad(np.asarray(image), ((down, BLOCK_PX), (right, BLOCK_PX), (0, 0)), mode="reflect")
    stream = io.BytesIO()
    if webp:
        Image.fromarray(array).save(stream, "WEBP", quality=quality, method=1)
    else:
        Image.fromarray(array).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    back = Image.open(stream).convert("RGB")
    return back.crop((right, down, right + image.width, down + image.height))


def degrade(high: patches.Pixels, recipe: Recipe, rng: np.random.Generator) -> patches.Pixels:
    """The low-resolution side of a clean patch: (S, S, 3) uint8 to (S/2, S/2, 3) uint8, pixel-aligned with it."""
    image = Image.fromarray(high)
    offset = (int(rng.integers(BLOCK_PX)), int(rng.integers(BLOCK_PX)))
    if recipe.first_quality:
        image = compress(image, recipe.first_quality, recipe.subsampling, webp=False, offset=offset)
    if recipe.blur_px:
        image = image.filter(ImageFilter.GaussianBlur(2 * recipe.blur_px))
    size = (image.width // 2, image.height // 2)
    if recipe.detour != 1:
        between = (max(8, round(size[0] * recipe.detour)), max(8, round(size[1] * recipe.detour)))
        image = image.resize(between, recipe.kernel)
    image = image.resize(size, recipe.kernel)
    if recipe.noise:
        channels = 1 if recipe.grey_noise else 3
        grain = rng.normal(0, recipe.noise, (size[1], size[0], channels))
        image = Image.fromarray(np.rint(np.clip(np.asarray(image) + grain, 0, 255)).astype(np.uint8))
    if recipe.quality:
        image = compress(image, recipe.quality, recipe.subsampling, webp=recipe.webp, offset=offset)
    return np.asarray(image)


def degraded(
    clean: patches.PatchSet, rng: np.random.Generator, draw: Callable[[np.random.Generator], Recipe]
) -> patches.PatchSet:
    """The same patches with every low-resolution side degraded in its own way."""
    low = np.stack([degrade(high, draw(rng), rng) for high in clean.hr])
    return dataclasses.replace(clean, lr=low)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=prepare.DEFAULT_CACHE)
    parser.add_argument("--data", default="photo", help="the clean patch set")
    parser.add_argument("--out", default="web", help="the degraded one")
    parser.add_argument("--rounds", type=int, default=2, help="histories of each patch")
    parser.add_argument("--common", action="store_true", help="only the commonest history, for the end of a run")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    clean = patches.load(options.cache / options.data)
    history = draw_common if options.common else draw
    sets = [degraded(clean, rng, history) for _ in range(options.rounds)]
    notes: dict[str, object] = {"seed": options.seed, "clean": options.data, "rounds": options.rounds}
    print(f"{patches.save(sets, options.cache / options.out, notes)} patches")


if __name__ == "__main__":
    main()
