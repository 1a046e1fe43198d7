"""How other upscalers size their tiles, each as a pure rule (facts/governor.md §1, row by row).

They are given our number formats, layout and allocator: only the rule and what follows an out-of-memory are theirs.
Their overlap is an argument: with their own, which is narrower than most networks look, they compute less and show
seams.
"""

from __future__ import annotations

import math

from twofold.core.geometry import Size

MIB = 1 << 20

CHAINNER_OVERLAP_PX = 16
CHAINNER_FLOOR_PX = 16
COMFYUI_FIRST_PX = 512
COMFYUI_FLOOR_PX = 128
COMFYUI_OVERLAP_PX = 32  # of two tiles: 16 px beyond the middle each
NCNN_OVERLAP_PX = 10
NCNN_TIERS = ((1900, 200), (550, 100), (190, 64))
"""More than so many MB of heap budget: tiles of so many px."""
NCNN_SMALLEST_PX = 32


Rows = list[list[int]]
"""The tiles of a picture, row by row: how many pixels each computes, overlap included."""


def chainner_tile_px(total_bytes: int, parameters: int, source: Size, *, half: bool) -> int:
    """The largest 2^n whose square keeps the need below 60 % of the device's TOTAL memory.

    need = bytes of the weights / (1024 * 52) * bytes of the picture. `half`: fp16 weights and samples.
    """
    budget_bytes = total_bytes * 0.75 * 0.8
    sample_bytes = 2 if half else 4
    weight_bytes = parameters * 4 // (2 if half else 1)
    need_bytes = weight_bytes / (1024 * 52) * source.pixels * 3 * sample_bytes
    most_px = source.pixels * budget_bytes / need_bytes
    tile_px = 1 << math.floor(math.log2(max(math.sqrt(most_px), 1.0)))
    return tile_px if tile_px * tile_px < most_px else max(tile_px // 2, 1)


def chainner_smaller_px(tile_px: int) -> int | None:
    """After an out-of-memory: half, and from 16 px on 16 again without end, which is None here."""
    return tile_px // 2 if tile_px // 2 >= CHAINNER_FLOOR_PX else None


def comfyui_smaller_px(tile_px: int) -> int | None:
    """After an out-of-memory: half, and below 128 px it gives up."""
    return tile_px // 2 if tile_px // 2 >= COMFYUI_FLOOR_PX else None


def ncnn_tile_px(heap_bytes: int) -> int:
    """By the heap budget in whole MB when the program starts; it handles no out-of-memory."""
    heap_mb = heap_bytes // MIB
    return next((tile_px for above_mb, tile_px in NCNN_TIERS if heap_mb > above_mb), NCNN_SMALLEST_PX)


def chainner_rows(source: Size, tile_px: int, overlap_px: int = CHAINNER_OVERLAP_PX) -> Rows:
    """As many tiles a side as ceil(side / tile), of even size, and `overlap_px` more on each inner side."""
    widths = _even(source.width, -(-source.width // tile_px))
    heights = _even(source.height, -(-source.height // tile_px))
    return _rows(widths, heights, overlap_px)


def ncnn_rows(source: Size, tile_px: int, overlap_px: int = NCNN_OVERLAP_PX) -> Rows:
    """Tiles of one size, the last ones smaller, and `overlap_px` more on each inner side."""
    return _rows(_cut(source.width, tile_px), _cut(source.height, tile_px), overlap_px)


def comfyui_rows(source: Size, tile_px: int, overlap_px: int = COMFYUI_OVERLAP_PX // 2) -> Rows:
    """Tiles of one size, overlap included: each reaches `overlap_px` beyond the middle between it and the next."""

    def sides(side_px: int) -> list[int]:
        starts = range(0, max(side_px - 2 * overlap_px, 1), max(tile_px - 2 * overlap_px, 1))
        return [min(tile_px, side_px - at) for at in starts]

    return [[width * height for width in sides(source.width)] for height in sides(source.height)]


def _even(side_px: int, count: int) -> list[tuple[int, int]]:
    return [(index * side_px // count, (index + 1) * side_px // count) for index in range(count)]


def _cut(side_px: int, tile_px: int) -> list[tuple[int, int]]:
    return [(at, min(at + tile_px, side_px)) for at in range(0, side_px, tile_px)]


def _rows(columns: list[tuple[int, int]], rows: list[tuple[int, int]], overlap_px: int) -> Rows:
    """Every column crossed with every row, wider by `overlap_px` wherever the picture goes on."""

    def wide(spans: list[tuple[int, int]]) -> list[int]:
        side_px = spans[-1][1]
        return [min(end + overlap_px, side_px) - max(start - overlap_px, 0) for start, end in spans]

    return [[width * height for width in wide(columns)] for height in wide(rows)]
