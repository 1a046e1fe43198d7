"""Sizes, rectangles and exact scaling."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def long_side(self) -> int:
        return max(self.width, self.height)

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)

    def times(self, scale: int) -> Size:
        return Size(self.width * scale, self.height * scale)

    def fits(self, other: Size) -> bool:
        """True where this size fits inside `other` on both axes."""
        return self.width <= other.width and self.height <= other.height


class Rect(NamedTuple):
    """Half-open rectangle in pixels: x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size(self) -> Size:
        return Size(self.x1 - self.x0, self.y1 - self.y0)

    def times(self, scale: int) -> Rect:
        return Rect(self.x0 * scale, self.y0 * scale, self.x1 * scale, self.y1 * scale)


def without(rect: Rect, other: Rect) -> tuple[Rect, ...]:
    """What `other` leaves of `rect`: up to four parts, top to bottom."""
    x0, y0, x1, y1 = max(rect.x0, other.x0), max(rect.y0, other.y0), min(rect.x1, other.x1), min(rect.y1, other.y1)
    if x0 >= x1 or y0 >= y1:
        return (rect,)
    parts = (
        Rect(rect.x0, rect.y0, rect.x1, y0),
        Rect(rect.x0, y0, x0, y1),
        Rect(x1, y0, rect.x1, y1),
        Rect(rect.x0, y1, rect.x1, rect.y1),
    )
    return tuple(part for part in parts if part.x0 < part.x1 and part.y0 < part.y1)


def scaled(size: Size, factor: Fraction) -> Size:
    """Exact output size, floor(side * factor + 1/2) on each axis, never below one pixel."""
    return Size(_side(size.width, factor), _side(size.height, factor))


def _side(side_px: int, factor: Fraction) -> int:
    return max(1, (2 * side_px * factor.numerator + factor.denominator) // (2 * factor.denominator))


def turned_point(x: float, y: float, orientation: int) -> tuple[float, float]:
    """Where a point of a stored picture lies once the picture is upright; both in shares (0-1) of width and height."""
    return {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }[orientation]


def turned_size(size: Size, orientation: int) -> Size:
    """The size after an orientation (1-8) was applied, or taken back: 5-8 exchange the axes."""
    return Size(size.height, size.width) if orientation >= 5 else size
