"""What is left of a pass: what the next plan is made for."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.core.geometry import Rect, Size


@dataclass(frozen=True, slots=True)
class Rest:
    """The part of a pass over `source` that comes first, in pixels of the padded picture.

    `region` is that part (None: the whole picture): where a band is in work, what is left of it. `again` are all rows
    that do not stand whole, where `region` is less: a plan for them does again what stands of those rows. `region` is
    `planned` where the plan in force goes on with it, and `row` is that plan's band in work, if some of it stands.
    """

    source: Size
    region: Rect | None = None
    again: Rect | None = None
    planned: bool = False
    row: int | None = None
