"""Patch sets: aligned crops at full, half and quarter size in memory-mapped uint8 files.

A set is a folder with `hr.u8` (N, 96, 96, 3), `lr.u8` (N, 48, 48, 3), `lr4.u8` (N, 24, 24, 3) and `index.json`.
`lr` is `hr`'s whole picture reduced by antialiased bicubic, 8 bit: the papers' degradation.
"""

import dataclasses
import json
import pathlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
SIDE = 96
NAMES = {"hr": SIDE, "lr": SIDE // 2, "lr4": SIDE // 4}


@dataclasses.dataclass(frozen=True)
class PatchSet:
    """Three aligned arrays (N, side, side, 3) uint8."""

    hr: Pixels
    lr: Pixels
    lr4: Pixels

    def __len__(self) -> int:
        return len(self.hr)

    def some(self, rng: np.random.Generator, most: int) -> "PatchSet":
        """All patches, or `most` random ones where there are more."""
        indices = np.sort(rng.permutation(len(self))[:most])
        return PatchSet(self.hr[indices], self.lr[indices], self.lr4[indices])

    def pick(self, rng: np.random.Generator, count: int) -> "PatchSet":
        """Random patches, as copies in memory."""
        indices = np.sort(rng.integers(len(self), size=count))
        return PatchSet(self.hr[indices], self.lr[indices], self.lr4[indices])


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Several sets; `shares` says how often a patch comes from each, and adds up to 1."""

    sets: tuple[PatchSet, ...]
    shares: tuple[float, ...]

    def pick(self, rng: np.random.Generator, count: int) -> PatchSet:
        """Random patches of random sets, as copies in memory."""
        counts = rng.multinomial(count, self.shares)
        parts = [part.pick(rng, int(each)) for part, each in zip(self.sets, counts, strict=True) if each]
        return PatchSet(*(np.concatenate([getattr(part, name) for part in parts]) for name in NAMES))


def reduce(image: Image.Image, factor: int) -> Image.Image:
    """Antialiased bicubic reduction by an integer factor that divides both sides."""
    return image.resize((image.width // factor, image.height // factor), Image.Resampling.BICUBIC)


def _tiles(image: Image.Image, side: int) -> Pixels:
    """Cuts an image into its grid of tiles; (rows·columns, side, side, 3)."""
    array = np.asarray(image)
    rows, columns = array.shape[0] // side, array.shape[1] // side
    grid = array[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return grid.swapaxes(1, 2).reshape(rows * columns, side, side, 3)


def cut(
    image: Image.Image, rng: np.random.Generator, *, smooth_share: float = 0.1, smooth_mse: float = 4.0
) -> PatchSet:
    """All patches of one clean picture, but only `smooth_share` of those which bicubic already restores.

    `smooth_mse` is in squared 8-bit levels.
    """
    wide, high = image.width // SIDE * SIDE, image.height // SIDE * SIDE
    left, top = (int(rng.integers(0, spare + 1)) for spare in (image.width - wide, image.height - high))
    image = image.crop((left, top, left + wide, top + high))
    half = reduce(image, 2)
    hr, lr, lr4 = _tiles(image, SIDE), _tiles(half, SIDE // 2), _tiles(reduce(image, 4), SIDE // 4)
    plain = _tiles(half.resize(image.size, Image.Resampling.BICUBIC), SIDE)
    error = np.array([np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(hr, plain, strict=True)])
    kept = (error > smooth_mse) | (rng.random(len(error)) < smooth_share)
    return PatchSet(hr[kept], lr[kept], lr4[kept])


def from_tiles(tiles: list[Pixels]) -> PatchSet:
    """A set of loose tiles (SIDE, SIDE, 3), each reduced by itself."""
    images = [Image.fromarray(tile) for tile in tiles]
    return PatchSet(
        np.stack(tiles),
        np.stack([np.asarray(reduce(i, 2)) for i in images]),
        np.stack([np.asarray(reduce(i, 4)) for i in images]),
    )


def save(sets: list[PatchSet], folder: pathlib.Path, notes: dict[str, object]) -> int:
    """Writes the sets one after another; returns the number of patches."""
    folder.mkdir(parents=True, exist_ok=True)
    count = sum(len(part) for part in sets)
    for name, side in NAMES.items():
        out = np.memmap(folder / f"{name}.u8", np.uint8, "w+", shape=(count, side, side, 3))
        at = 0
        for part in sets:
            out[at : at + len(part)] = getattr(part, name)
            at += len(part)
        out.flush()
    (folder / "index.json").write_text(json.dumps({"schema": 1, "count": count, **notes}, indent=1))
    return count


def load_mixture(cache: pathlib.Path, names: list[str]) -> Mixture:
    """The sets of `names` below `cache`; `name:2` is drawn from twice as often as `name`."""
    parsed = [(name.partition(":")[0], float(name.partition(":")[2] or 1)) for name in names]
    whole = sum(weight for _, weight in parsed)
    return Mixture(tuple(load(cache / name) for name, _ in parsed), tuple(weight / whole for _, weight in parsed))


def load(folder: pathlib.Path) -> PatchSet:
    """Maps a set read-only."""
    count = int(json.loads((folder / "index.json").read_text())["count"])
    arrays = {
        name: np.memmap(folder / f"{name}.u8", np.uint8, "r", shape=(count, side, side, 3))
        for name, side in NAMES.items()
    }
    return PatchSet(**arrays)
