"""What is left of a pass: what the next plan is made for."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.core.geometry import Rect, Size
from twofold.core.tiles import TilePlan


@dataclass(frozen=True, slots=True)
class Rest:
    """The part of a pass over `source` that comes first, in pixels of the padded picture.

    `region` is that part (None: the whole picture): where a band is in work, what is left of it. `again` are all rows
    that do not stand whole, where `region` is less: a plan for them does again what stands of those rows. `tiles` are
    those in force, None where their region is done; `row` is their band in work, if some of it stands.
    """

    source: Size
    region: Rect | None = None
    again: Rect | None = None
    tiles: TilePlan | None = None
    row: int | None = None
