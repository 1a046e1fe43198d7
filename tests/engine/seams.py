"""Seams: the smallest tiles against the whole picture, for every built-in network, in figures and in pictures.

    python -m tests.engine.seams docs     writes docs/seams.md and docs/seams/: minutes

Three pictures that show a seam first: a flat grey, a gradient, and a night sky made of noise, glow and stars.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.engine.fakes import PatientGovernor, make_plan
from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.pass_plan import tile_ladder_px
from twofold.engine.factory import open_upscaler
from twofold.engine.inspect import measure_card
from twofold.engine.run import run_pass
from twofold.models.catalogue import Catalogue, Places
from twofold.raster import Samples, Upscaler

SIDES_PX = Size(150, 130)
PASSES = 2
EXACT_STEPS = 2
"""What tiles of exact networks may differ by, in steps of 16 bits: sums may round the other way, once in each pass."""
DEPTHS = (8, 16)
STARS = 60
SHOWN_PX = 224
GAP_PX = 8
BRIGHTENED = 3
AMPLIFIED = 8192
"""Of the differences that are shown: one step of 16 bits becomes 32 of 255."""
AMPLIFIED_WITHOUT_HALO = 8

PAGE = """\
# Seams

Every pass is cut into tiles. Around what a tile is to give, the network also sees its halo: as much of the picture
as it looks at. So tiles give what the whole picture would have given, and there is nothing to blend.

Three pictures that show a seam first (a flat grey, a gradient, a night sky of glow, noise and stars;
{width} x {height} px) went through {passes} passes of every built-in network, in the smallest tiles that are ever used
and in one tile that holds the whole picture. The largest difference of any sample after the first and the last pass,
sources of 8 and of 16 bits together, in steps of 16 bits (65535 is the whole range):

| network | halo | tile | {names} | promised |
|---|---|---|{dashes}---|
{rows}
Measured on the CPU of one machine by `python -m tests.engine.seams docs`, which writes this page and its pictures.
`tests/engine/test_seams.py` holds every network of the catalogue to the promise.

## The night sky, twice enlarged

From left to right: in one tile; in the smallest tiles; the difference of these two, {amplified} times, on grey (a
single step of 16 bits would be 32 of 255 here); and what the difference would be without a halo, {without} times: there
the seams are. Both skies are shown {brightened} times as bright as they are.
{strips}"""

Picture = NDArray[np.float64]  # (H, W, 3) in 0..1


def flat(size: Size) -> Picture:
    return np.full((size.height, size.width, 3), 0.5)


def gradient(size: Size) -> Picture:
    down, across = np.mgrid[0 : size.height, 0 : size.width]
    ramp = (across / size.width + down / size.height) / 2
    return np.stack([0.05 + 0.9 * ramp, 0.1 + 0.7 * ramp, 0.95 - 0.8 * ramp], axis=-1)


def night_sky(size: Size) -> Picture:
    """Glow above the horizon, the noise of a high ISO, and stars of all sizes that fall on pixels as they will."""
    random = np.random.default_rng(61)
    down, across = np.mgrid[0 : size.height, 0 : size.width]
    sky = 0.015 + 0.11 * np.exp(down / size.height * 3 - 3)[..., None] * [1.0, 0.75, 0.6] + [0.0, 0.005, 0.02]
    for _ in range(STARS):
        x, y = random.uniform(0, size.width), random.uniform(0, size.height)
        star = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * random.uniform(0.4, 1.2) ** 2))
        sky += random.uniform(0.1, 0.9) ** 2 * star[..., None] * random.uniform([0.8, 0.8, 0.8], [1.0, 0.95, 1.0])
    return np.clip(sky + random.normal(0, 0.012, sky.shape), 0, 1)


PICTURES: dict[str, Callable[[Size], Picture]] = {"flat grey": flat, "gradient": gradient, "night sky": night_sky}


def built_in() -> tuple[NetworkCard, ...]:
    """Every network that the package brings, whichever these are."""
    return Catalogue(Places("", "", ""), measure_card).list_cards()


def sampled(picture: Picture, depth: int) -> Samples:
    return (picture * (2**depth - 1)).round().astype(np.uint8 if depth == 8 else np.uint16)


def enlarged(upscaler: Upscaler, source: Samples, *, tile_px: int = 0, halo_px: int | None = None) -> Iterator[Samples]:
    """The raster after each pass, as a job makes it; in one tile where `tile_px` is 0, else in such tiles."""
    card = upscaler.card
    for _ in range(PASSES):
        height, width, channels = source.shape
        planned = card if halo_px is None else replace(card, halo_px=halo_px)
        plan = make_plan(planned, Size(width, height), tile_px or max(height, width) + card.alignment)
        result = np.zeros((height * card.scale, width * card.scale, channels), np.uint16)
        run_pass(upscaler, source, result, plan, PatientGovernor(), depth=16)
        yield result
        source = result


def smallest_tile_px(card: NetworkCard) -> int:
    return tile_ladder_px(card, "cpu")[0]


def promised_steps(card: NetworkCard) -> int:
    """How far tiles may be from the whole: as good as nothing, or what the network's card states."""
    return EXACT_STEPS if card.exact else math.ceil(card.tiling_error * 65535)


def worst_steps(upscaler: Upscaler, source: Samples, *, halo_px: int | None = None) -> list[int]:
    """The largest difference of the smallest tiles from the whole picture after each pass, in steps of 16 bits."""
    whole = enlarged(upscaler, source)
    tiled = enlarged(upscaler, source, tile_px=smallest_tile_px(upscaler.card), halo_px=halo_px)
    return [int(np.abs(_difference(*pair)).max()) for pair in zip(tiled, whole, strict=True)]


def _difference(tiled: Samples, whole: Samples) -> NDArray[np.int64]:
    return tiled.astype(np.int64) - whole


def strip(upscaler: Upscaler) -> Image.Image:
    """Where tiles of both passes meet in the night sky: whole, tiled, their difference, the same without a halo."""
    source, tile_px = sampled(night_sky(SIDES_PX), 16), smallest_tile_px(upscaler.card)
    [*_, whole] = enlarged(upscaler, source)
    [*_, tiled] = enlarged(upscaler, source, tile_px=tile_px)
    [*_, careless] = enlarged(upscaler, source, tile_px=tile_px, halo_px=0)
    panels = [
        whole * (BRIGHTENED / 257),
        tiled * (BRIGHTENED / 257),
        128 + _difference(tiled, whole) * (AMPLIFIED / 257),
        128 + _difference(careless, whole) * (AMPLIFIED_WITHOUT_HALO / 257),
    ]
    top, left = ((side_px - SHOWN_PX) // 2 for side_px in whole.shape[:2])
    sheet = Image.new("RGB", (len(panels) * (SHOWN_PX + GAP_PX) - GAP_PX, SHOWN_PX), "white")
    for place, panel in enumerate(panels):
        shown = panel[top : top + SHOWN_PX, left : left + SHOWN_PX].round().clip(0, 255).astype(np.uint8)
        sheet.paste(Image.fromarray(shown), (place * (SHOWN_PX + GAP_PX), 0))
    return sheet


def write(folder: Path) -> None:
    (folder / "seams").mkdir(exist_ok=True)
    rows = strips = ""
    for card in built_in():
        upscaler = open_upscaler(card, "cpu")
        cells = []
        for make in PICTURES.values():
            both = [worst_steps(upscaler, sampled(make(SIDES_PX), depth)) for depth in DEPTHS]
            cells.append(", ".join(str(max(steps)) for steps in zip(*both, strict=True)))
        promise = f"{promised_steps(card)} ({'exact' if card.exact else 'by its card'})"
        about = f"`{card.full_name}` | {card.halo_px} px | {smallest_tile_px(card)} px"
        rows += f"| {about} | {' | '.join(cells)} | {promise} |\n"
        strip(upscaler).save(folder / "seams" / f"{card.name}.png", optimize=True)
        strips += f"\n`{card.full_name}`\n\n![{card.name}: no seams](seams/{card.name}.png)\n"
    page = PAGE.format(
        width=SIDES_PX.width, height=SIDES_PX.height, passes=PASSES, names=" | ".join(PICTURES),
        dashes="---|" * len(PICTURES), rows=rows, strips=strips, amplified=AMPLIFIED, without=AMPLIFIED_WITHOUT_HALO,
        brightened=BRIGHTENED,
    )  # fmt: skip
    (folder / "seams.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
