"""The canvas finds what is missing and what is written twice."""

from __future__ import annotations

import pytest
from simulator.canvas import Canvas

from twofold.core.geometry import Rect, Size

LEFT, RIGHT = Rect(0, 0, 60, 40), Rect(60, 0, 100, 40)
BELOW = Rect(0, 40, 100, 100)


Bands = tuple[tuple[tuple[Rect, ...], int], ...]


def verdict(*bands: tuple[tuple[Rect, ...], int]) -> tuple[int, int]:
    canvas = Canvas(Size(100, 100))
    for rects, to_px in bands:
        for rect in rects:
            canvas.write(rect)
        canvas.band_done(to_px)
    canvas.finish()
    return canvas.lost_px, canvas.doubled_px


@pytest.mark.parametrize(
    ("bands", "lost_px", "doubled_px"),
    [
        ((((LEFT, RIGHT), 40), ((BELOW,), 100)), 0, 0),
        ((((LEFT,), 40), ((BELOW,), 100)), 40 * 40, 0),
        ((((LEFT, RIGHT), 40), ((Rect(0, 30, 100, 100),), 100)), 0, 100 * 10),
        ((((RIGHT,), 40), ((BELOW,), 100)), 60 * 40, 0),
        ((((LEFT, LEFT, RIGHT), 40), ((BELOW,), 100)), 0, 60 * 40),
        ((((LEFT, RIGHT), 40),), 60 * 100, 0),
        ((((LEFT, RIGHT, BELOW), 40), ((), 100)), 0, 0),  # a batch that reaches into the next band
    ],
)
def test_what_is_lost_and_doubled(
    bands: tuple[tuple[tuple[Rect, ...], int], ...], lost_px: int, doubled_px: int
) -> None:
    assert verdict(*bands) == (lost_px, doubled_px)


def test_a_band_may_begin_again_with_other_tiles() -> None:
    canvas = Canvas(Size(100, 100))
    canvas.write(LEFT)
    canvas.begin_again()
    canvas.write(Rect(0, 0, 100, 100))
    canvas.band_done(100)
    canvas.finish()
    assert (canvas.lost_px, canvas.doubled_px, canvas.redone_px) == (0, 0, 60 * 40)


def test_stairs_of_two_plans_fit_together() -> None:
    canvas = Canvas(Size(100, 100))
    canvas.write(Rect(0, 0, 60, 60))  # a tall band, given up at column 60
    canvas.write(Rect(60, 0, 100, 40))
    canvas.band_done(40)
    canvas.write(Rect(60, 40, 100, 60))
    canvas.write(Rect(0, 60, 100, 100))
    canvas.band_done(100)
    canvas.finish()
    assert (canvas.lost_px, canvas.doubled_px) == (0, 0)
