"""Whether every pixel of a pass is written, once, without any pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

from twofold.core.geometry import Rect, Size


@dataclass(slots=True)
class Canvas:
    """What stands of a result: all rows above `done_px`, and of the band below them what was written since.

    Bands are written top to bottom. A band that is begun again (`begin_again`) is written anew from its first pixel.
    `lost_px` and `doubled_px` count, as they come to light, pixels of whole bands that nothing or more than one tile
    wrote; `redone_px` those of bands that were begun again.
    """

    whole: Size
    done_px: int = 0
    lost_px: int = 0
    doubled_px: int = 0
    redone_px: int = 0
    _band: list[Rect] = field(default_factory=list)

    def write(self, owned: Rect) -> None:
        """A tile's own pixels, those above `done_px` left out as the engine does."""
        self._band.append(Rect(owned.x0, max(owned.y0, self.done_px), owned.x1, owned.y1))

    def begin_again(self) -> None:
        self.redone_px += sum(rect.size.pixels for rect in self._band)
        self._band = []

    def band_done(self, to_px: int) -> None:
        """The rows down to `to_px` are whole, says whoever writes them."""
        band = [rect for rect in self._band if rect.y0 < to_px]
        later = [rect for rect in self._band if rect.y0 >= to_px]
        at_px = 0
        for rect in sorted(band):
            # Rectangles of one band, left to right: each begins where the last one ended and covers the band's height.
            self.lost_px += max(0, rect.x0 - at_px) * (to_px - self.done_px)
            self.doubled_px += max(0, at_px - rect.x0) * (to_px - self.done_px)
            self.lost_px += (rect.x1 - rect.x0) * max(0, (rect.y0 - self.done_px) + (to_px - rect.y1))
            self.doubled_px += (rect.x1 - rect.x0) * max(0, rect.y1 - to_px)
            at_px = max(at_px, rect.x1)
        self.lost_px += max(0, self.whole.width - at_px) * (to_px - self.done_px)
        self.done_px = to_px
        self._band = later

    def finish(self) -> None:
        """The pass is said to be done."""
        self.lost_px += (self.whole.height - self.done_px) * self.whole.width
        self.doubled_px += sum(rect.size.pixels for rect in self._band)
