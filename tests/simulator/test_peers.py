"""The peers' rules on worked examples (facts on how they size tiles: see simulator/peers.py)."""

from __future__ import annotations

import math

import pytest
from simulator.networks import NETWORKS
from simulator.peers import (
    NCNN_SMALLEST_PX,
    chainner_rows,
    chainner_smaller_px,
    chainner_tile_px,
    comfyui_rows,
    comfyui_smaller_px,
    ncnn_rows,
    ncnn_tile_px,
)

from twofold.core.geometry import Size

GIB = 1 << 30
MIB = 1 << 20
PHOTO = Size(4000, 3000)


@pytest.mark.parametrize(
    ("network", "half", "bytes_per_px"),
    [("compact-2x", True, 135), ("rrdb-2x", True, 3764), ("rrdb-4x", True, 3763), ("window-2x", False, 10594)],
)
def test_chainners_bytes_per_pixel_are_the_published_ones(network: str, half: bool, bytes_per_px: int) -> None:
    """60 % of the total over the bytes that it thinks a pixel takes, rounded down to a power of two."""
    parameters = NETWORKS[network].parameters
    for total_bytes in (4 * GIB, 8 * GIB, 24 * GIB, 80 * GIB):
        tile_px = chainner_tile_px(total_bytes, parameters, PHOTO, half=half)
        assert tile_px == 2 ** math.floor(math.log2(math.sqrt(0.6 * total_bytes / bytes_per_px)))


@pytest.mark.parametrize(
    ("total_bytes", "network", "tile_px"),
    [
        (24 * GIB, "rrdb-4x", 1024),  # sqrt(15.46e9 / 3763) = 2027
        (8 * GIB, "rrdb-4x", 1024),  # 1170
        (4 * GIB, "rrdb-4x", 512),  # 828
        (24 * GIB, "compact-2x", 8192),  # 10692: whole pictures, though one of 96 MP takes more than the card has
        (4 * GIB, "compact-2x", 4096),  # 4365
    ],
)
def test_chainners_tiles(total_bytes: int, network: str, tile_px: int) -> None:
    assert chainner_tile_px(total_bytes, NETWORKS[network].parameters, PHOTO, half=True) == tile_px
    assert chainner_tile_px(total_bytes, NETWORKS[network].parameters, Size(50, 50), half=True) == tile_px


def test_chainner_halves_down_to_16_and_then_for_ever() -> None:
    assert [chainner_smaller_px(px) for px in (1024, 32, 16)] == [512, 16, None]


def test_chainners_tiles_are_even_and_overlap_by_16_px() -> None:
    rows = chainner_rows(Size(1000, 600), 512)  # ceil(1000 / 512) = 2 columns of 500, 2 rows of 300
    assert rows == [[516 * 316, 516 * 316], [516 * 316, 516 * 316]]
    assert chainner_rows(Size(500, 500), 512) == [[250_000]]


def test_comfyui_starts_at_512_and_gives_up_below_128() -> None:
    assert [comfyui_smaller_px(px) for px in (512, 256, 128)] == [256, 128, None]
    # Steps of 480 from 0 while more than the overlap is left: at 0, 480, 960 (512, 512 and 40 px wide).
    assert comfyui_rows(Size(1000, 100), 512) == [[512 * 100, 512 * 100, 40 * 100]]
    assert comfyui_rows(Size(512, 512), 512) == [[512 * 512]]


@pytest.mark.parametrize(
    ("heap_mb", "tile_px"),
    [(1901, 200), (1900, 100), (551, 100), (550, 64), (191, 64), (190, NCNN_SMALLEST_PX), (0, 32), (80_000, 200)],
)
def test_ncnns_tiers(heap_mb: int, tile_px: int) -> None:
    assert ncnn_tile_px(heap_mb * MIB) == tile_px


def test_ncnns_tiles_are_cut_off_at_the_edge_and_padded_by_10_px() -> None:
    assert ncnn_rows(Size(500, 150), 200) == [[210 * 150, 220 * 150, 110 * 150]]


@pytest.mark.parametrize("rows", [chainner_rows, comfyui_rows, ncnn_rows])
def test_an_overlap_can_be_asked_for(rows: object) -> None:
    assert callable(rows)
    narrow, wide = (sum(map(sum, rows(PHOTO, 512, overlap_px))) for overlap_px in (10, 48))
    assert PHOTO.pixels < narrow < wide
