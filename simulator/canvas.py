"""Whether every pixel of a pass is written, once, without any pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from twofold.core.geometry import Rect, Size


@dataclass(slots=True)
class Canvas:
    """What stands of a result: all rows above `done_px`, and the parts of later rows that were written.

    `lost_px` and `doubled_px` count, as they come to light, pixels of whole bands that nothing or more than one tile
    wrote; `redone_px` those that were begun and given up.
    """

    whole: Size
    done_px: int = 0
    lost_px: int = 0
    doubled_px: int = 0
    redone_px: int = 0
    _parts: list[Rect] = field(default_factory=list)

    def write(self, part: Rect) -> None:
        above_px = min(part.y1, self.done_px) - part.y0
        self.doubled_px += max(0, above_px) * (part.x1 - part.x0)
        self._parts.append(Rect(part.x0, max(part.y0, self.done_px), part.x1, max(part.y1, self.done_px)))

    def begin_again(self) -> None:
        """What stands below `done_px` is given up."""
        self.redone_px += sum(part.size.pixels for part in self._parts)
        self._parts = []

    def band_done(self, to_px: int) -> None:
        """The rows down to `to_px` are whole, says whoever writes them."""
        above = [Rect(one.x0, one.y0, one.x1, min(one.y1, to_px)) for one in self._parts if one.y0 < to_px]
        self._parts = [Rect(one.x0, max(one.y0, to_px), one.x1, one.y1) for one in self._parts if one.y1 > to_px]
        written_px = sum(part.size.pixels for part in above)
        doubled_px = _overlap_px(above)
        self.doubled_px += doubled_px
        self.lost_px += self.whole.width * (to_px - self.done_px) - (written_px - doubled_px)
        self.done_px = to_px

    def finish(self) -> None:
        """The pass is said to be done."""
        self.lost_px += (self.whole.height - self.done_px) * self.whole.width
        self.doubled_px += sum(part.size.pixels for part in self._parts)


def _overlap_px(parts: list[Rect]) -> int:
    """Pixels in which two of them meet."""
    order = sorted(parts)
    overlap_px = 0
    for index, one in enumerate(order):
        for other in islice(order, index + 1, None):
            if other.x0 >= one.x1:
                break
            overlap_px += (min(one.x1, other.x1) - other.x0) * max(0, min(one.y1, other.y1) - max(one.y0, other.y0))
    return overlap_px
