"""What becomes of a picture, as far as its metadata has to know."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from twofold.core.geometry import Size, turned_size
from twofold.core.provenance import Provenance
from twofold.core.recipe import Dpi, Strip


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a recipe says about metadata, and the note that the result is to carry."""

    strip: Strip = "none"
    dpi: Dpi = "keep"
    provenance: Provenance | None = None

    def to_json(self) -> dict[str, Any]:
        note = None if self.provenance is None else self.provenance.to_json()
        return {"strip": self.strip, "dpi": self.dpi, "provenance": note}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Wishes:
        note = data["provenance"]
        return cls(data["strip"], data["dpi"], None if note is None else Provenance.from_json(note))


PLAIN_WISHES = Wishes()
"""Keep everything, and add no note."""


@dataclass(frozen=True, slots=True)
class Change:
    """From a picture of size `before` (upright) to one of size `after`; `orientation` (1-8) was baked in on the way."""

    before: Size
    after: Size
    orientation: int = 1
    wishes: Wishes = PLAIN_WISHES

    @property
    def stored(self) -> Size:
        """The source's size as its file stores it."""
        return turned_size(self.before, self.orientation)

    @property
    def factors(self) -> tuple[Fraction, Fraction]:
        """How many times wider and higher the result is than the upright source."""
        return Fraction(self.after.width, self.before.width), Fraction(self.after.height, self.before.height)
