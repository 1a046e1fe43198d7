"""Tiled equals whole, for exact networks, whatever the tiles; and a halo one pixel short is found out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.fakes import PatientGovernor, make_plan
from tests.engine.networks import Float64Upscaler
from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.engine.factory import open_upscaler
from twofold.engine.run import _padded, run_pass

TOLERANCE = 1e-9
SHAPES = {
    "compact": (st.integers(1, 60), st.integers(1, 60), st.integers(16, 40)),
    # Strips, because this network looks 38 px far: the long axis is cut, the short one costs little.
    "unshuffle": (st.integers(1, 9), st.integers(90, 180), st.integers(96, 130)),
}


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, 3))


def whole(upscaler: Float64Upscaler, source: np.ndarray) -> np.ndarray:
    """The padded picture through the network in one piece, the padding cropped."""
    card = upscaler.card
    sides = [max(-(-side // card.alignment) * card.alignment, card.minimum_px) for side in source.shape[:2]]
    padded = source[np.ix_(*(_padded(0, side, own) for side, own in zip(sides, source.shape[:2], strict=True)))]
    height, width = (side * card.scale for side in source.shape[:2])
    return upscaler.run(padded[None], 16)[0][:height, :width]


def tiled(upscaler: Float64Upscaler, source: np.ndarray, tile_px: int, batch: int = 1) -> np.ndarray:
    height, width, channels = source.shape
    plan = make_plan(upscaler.card, Size(width, height), tile_px, batch)
    result = np.full((height * upscaler.card.scale, width * upscaler.card.scale, channels), -1.0)
    run_pass(upscaler, source, result, plan, PatientGovernor(), depth=16)
    return result


@pytest.mark.parametrize("name", ["compact", "unshuffle"])
def test_tiled_equals_whole(name: str, exact_upscalers: dict[str, Float64Upscaler]) -> None:
    upscaler = exact_upscalers[name]
    short, long, tile = SHAPES[name]

    @settings(max_examples=100 if name == "compact" else 15)
    @given(st.tuples(short, long), tile, st.integers(1, 3), st.booleans())
    def check(sides: tuple[int, int], tile_px: int, batch: int, upright: bool) -> None:
        source = picture(*(sides if upright else sides[::-1]))
        np.testing.assert_allclose(
            tiled(upscaler, source, tile_px, batch), whole(upscaler, source), rtol=TOLERANCE, atol=TOLERANCE
        )

    check()


@pytest.mark.parametrize(
    # Windows of the second start on multiples of 4, so that its overlap shrinks only when twice the halo does by 4.
    ("name", "tile_px", "side_px", "short_px"),
    [("compact", 20, 60, 1), ("unshuffle", 96, 130, 2)],
)
def test_a_halo_too_short_shows(
    name: str, tile_px: int, side_px: int, short_px: int, exact_upscalers: dict[str, Float64Upscaler]
) -> None:
    """A NaN just outside a window must reach the same output pixels tiled as whole; with less halo it does not."""
    exact = exact_upscalers[name]
    short = exact.with_card(replace(exact.card, halo_px=exact.card.halo_px - short_px))
    assert exact.card.exact
    assert not unseen_by_a_tile(exact, tile_px, side_px)
    assert unseen_by_a_tile(short, tile_px, side_px)


def unseen_by_a_tile(upscaler: Float64Upscaler, tile_px: int, side_px: int) -> bool:
    """True where a pixel outside a tile's window changes what that tile owns, in a strip `side_px` wide."""
    height_px = 2 * upscaler.card.alignment
    tiles = list(make_plan(upscaler.card, Size(side_px, height_px), tile_px).tiles.tiles())
    for at_px in {place for tile in tiles for place in (tile.window.x0 - 1, tile.window.x1)}:
        if 0 <= at_px < side_px:
            source = picture(height_px, side_px)
            source[0, at_px] = math.nan
            reached = np.isnan(tiled(upscaler, source, tile_px)), np.isnan(whole(upscaler, source))
            if not np.array_equal(*reached):
                return True
    return False


def test_tiled_is_within_one_step_of_whole_in_float32(cards: dict[str, NetworkCard]) -> None:
    """The promise for 16-bit rasters, through the torch back end itself."""
    upscaler = open_upscaler(cards["compact"], "cpu", threads=1)
    source = (picture(61, 83) * 20000).astype(np.uint16)
    whole_at_once = upscaler.run(source[None], 16)[0]
    for tile_px, batch in ((17, 3), (32, 1), (50, 2)):
        result = np.zeros((122, 166, 3), np.uint16)
        plan = make_plan(upscaler.card, Size(83, 61), tile_px, batch)
        run_pass(upscaler, source, result, plan, PatientGovernor(), depth=16)
        assert np.abs(result.astype(int) - whole_at_once).max() <= 1


def test_a_halo_one_pixel_short_changes_values(exact_upscalers: dict[str, Float64Upscaler]) -> None:
    exact = exact_upscalers["compact"]
    short = exact.with_card(replace(exact.card, halo_px=exact.card.halo_px - 1))
    source = picture(40, 60)
    assert np.abs(tiled(exact, source, 20) - whole(exact, source)).max() < TOLERANCE
    assert np.abs(tiled(short, source, 20) - whole(exact, source)).max() > 1e-6
