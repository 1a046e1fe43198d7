"""Makes the patch set and the validation pictures: `python -m training.prepare --clones DIR`."""

import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

from training import patches, sources, synthetic

DEFAULT_CACHE = pathlib.Path.home() / ".cache" / "twofold-training"
FONT_PACKAGE = "fonts-dejavu-core"
REDUCTIONS = (2.0, 2.8, 4.0, 5.6, 8.0, 11.0)
"""Strong ones matter most: the first pass of a chain gets pictures in which every pixel is detail."""

PATCHES_EACH = 100
"""The most that are kept of one picture at one reduction: else the mildest would be nearly all."""

VALIDATION_PX = 384
SYNTHETIC_CANVASES = 48
FLAT_PATCHES = 250
GRADIENT_PATCHES = 500
PLAIN_PATCHES = 2000


def clean(image: Image.Image, factor: float) -> Image.Image:
    """Reduces a camera picture so that noise, demosaicking and JPEG blocks are gone."""
    size = (round(image.width / factor), round(image.height / factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def photo_patches(cache: pathlib.Path, clones: pathlib.Path, rng: np.random.Generator) -> list[patches.PatchSet]:
    """Patches of every training picture, at each reduction."""
    made = []
    for picture, image in sources.read_all(cache, clones, held_out=False):
        for factor in REDUCTIONS:
            reduced = clean(image, factor)
            if min(reduced.size) >= 2 * patches.SIDE:
                made.append(patches.cut(reduced, rng).some(rng, PATCHES_EACH))
        print(f"{picture.name}: {sum(len(part) for part in made)} patches so far", file=sys.stderr, flush=True)
    return made


def made_patches(cache: pathlib.Path, seed: int, rng: np.random.Generator) -> list[patches.PatchSet]:
    """Patches of rendered canvases, flat fields and gradients."""
    fonts = sorted(sources.unpack_package(FONT_PACKAGE, cache).glob("**/*.ttf"))
    canvases = synthetic.canvases(seed, SYNTHETIC_CANVASES, fonts)
    made = [patches.cut(canvas, rng, smooth_share=0.05) for canvas in canvases]
    tiles = [synthetic.flat_patch(rng, patches.SIDE) for _ in range(FLAT_PATCHES)]
    tiles += [synthetic.gradient_patch(rng, patches.SIDE) for _ in range(GRADIENT_PATCHES)]
    return [*made, patches.from_tiles(tiles)]


def plain_patches(rng: np.random.Generator, count: int = PLAIN_PATCHES) -> patches.PatchSet:
    """Flat fields and slow gradients alone: what has no detail must get none, up to the picture's rim."""
    tiles = [synthetic.flat_patch(rng, patches.SIDE) for _ in range(count // 2)]
    tiles += [synthetic.gradient_patch(rng, patches.SIDE) for _ in range(count - count // 2)]
    return patches.from_tiles(tiles)


def save_validation(cache: pathlib.Path, clones: pathlib.Path) -> int:
    """Writes two clean pictures of each held-out one, a centre crop and a much reduced whole; returns how many."""
    folder = cache / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for picture, image in sources.read_all(cache, clones, held_out=True):
        reduced = image.resize((round(image.width / 3), round(image.height / 3)), Image.Resampling.HAMMING)
        left, top = (reduced.width - VALIDATION_PX) // 2, (reduced.height - VALIDATION_PX) // 2
        stem = picture.name.rsplit(".", 1)[0]
        reduced.crop((left, top, left + VALIDATION_PX, top + VALIDATION_PX)).save(folder / f"{stem}.png")
        dense = clean(image, max(image.size) / VALIDATION_PX)
        dense.crop((0, 0, dense.width // 4 * 4, dense.height // 4 * 4)).save(folder / f"{stem}-dense.png")
        count += 2
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=pathlib.Path, default=DEFAULT_CACHE, help="downloads and patches go here")
    parser.add_argument("--clones", type=pathlib.Path, required=True, help="folder of the git clones named in DATA.md")
    parser.add_argument("--data", default="photo", help="name of the patch set below the cache")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{save_validation(options.cache, options.clones)} validation pictures")
    patches.save([plain_patches(np.random.default_rng(options.seed))], options.cache / "plain", {"seed": options.seed})
    photos = photo_patches(options.cache, options.clones, rng)
    made = made_patches(options.cache, options.seed, rng)
    notes = {"seed": options.seed, "photo": sum(len(part) for part in photos), "made": sum(len(part) for part in made)}
    count = patches.save([*photos, *made], options.cache / options.data, {**notes, "sources": sources.summary()})
    print(f"{count} patches in {options.cache / options.data}: {notes}")


if __name__ == "__main__":
    main()
